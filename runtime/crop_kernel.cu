/* A square crop of a camera's frame, ready for the network, in one pass: `sa3dhp_edge.crop.cut`, then `normalise`.
 *
 * Every thread makes one pixel of the crop. It rounds where OpenCV rounds: positions to 1/32 px, colours of the shrunk
 * frame and of the crop to whole numbers. The language is C, so that a test can run it on a processor.
 */

struct Crop {
    double frame_from_crop[9]; /* rows of the 3 x 3 matrix from pixels of the crop to those of the shrunk frame */
    double shrink_x, shrink_y; /* pixels of the frame for one of the shrunk frame; 1 where nothing is shrunk */
    float mean[3], std[3];     /* RGB, of values 0..1 */
    int width, height;         /* of the frame */
    int small_width, small_height;
    int side; /* of the crop */
};

static __device__ int within(int index, int count)
{
    return index < 0 ? 0 : index < count ? index : count - 1;
}

/* How much of the cell [index, index + 1) lies in [from, to), 0..1. */
static __device__ float share(int index, float from, float to)
{
    float low = from > index ? from : index, high = to < index + 1 ? to : index + 1;
    return high > low ? high - low : 0;
}

/* A pixel of the shrunk frame, BGR: the mean of the box it stands for; outside, the nearest one inside. */
static __device__ void shrunk(const unsigned char *frame, const struct Crop *crop, int x, int y, float bgr[3])
{
    double left = within(x, crop->small_width) * crop->shrink_x, top = within(y, crop->small_height) * crop->shrink_y;
    int first_row = top, first_column = left, row, column, c;
    float from_x = left - first_column, to_x = from_x + crop->shrink_x; /* small numbers, which float holds well */
    float from_y = top - first_row, to_y = from_y + crop->shrink_y;
    float area = crop->shrink_x * crop->shrink_y;

    bgr[0] = bgr[1] = bgr[2] = 0;
    for (row = 0; row < to_y && first_row + row < crop->height; row++)
        for (column = 0; column < to_x && first_column + column < crop->width; column++) {
            float weight = share(row, from_y, to_y) * share(column, from_x, to_x);
            long long at = 3 * ((long long)(first_row + row) * crop->width + first_column + column);
            for (c = 0; c < 3; c++)
                bgr[c] += weight * frame[at + c];
        }
    for (c = 0; c < 3; c++) /* OpenCV rounds the half of a 2 x 2 box up, that of any other to even */
        bgr[c] = crop->shrink_x == 2 && crop->shrink_y == 2 ? floorf(bgr[c] / area + 0.5f) : rintf(bgr[c] / area);
}

#ifdef __cplusplus
extern "C"
#endif
__global__ void crop_frame(const unsigned char *frame, float *planes, const struct Crop crop)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, c;
    const double *m = crop.frame_from_crop;
    double w, at_x, at_y;
    int left, top;
    float fx, fy, corner[4][3];

    if (x >= crop.side || y >= crop.side)
        return;
    w = m[6] * x + m[7] * y + m[8];
    w = w ? 32 / w : 0; /* as OpenCV does at the horizon, where nan would reach the network */
    at_x = rint((m[0] * x + m[1] * y + m[2]) * w);
    at_y = rint((m[3] * x + m[4] * y + m[5]) * w);
    left = floor(at_x / 32);
    top = floor(at_y / 32);
    fx = (at_x - 32.0 * left) / 32;
    fy = (at_y - 32.0 * top) / 32;
    for (c = 0; c < 4; c++)
        shrunk(frame, &crop, left + c % 2, top + c / 2, corner[c]);
    for (c = 0; c < 3; c++) {
        float upper = corner[0][2 - c] * (1 - fx) + corner[1][2 - c] * fx;
        float lower = corner[2][2 - c] * (1 - fx) + corner[3][2 - c] * fx;
        float value = floorf(upper * (1 - fy) + lower * fy + 0.5f);
        planes[(c * crop.side + y) * crop.side + x] = (value / 255 - crop.mean[c]) / crop.std[c];
    }
}
