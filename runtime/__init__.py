"""The device: frames in, poses out; NumPy, OpenCV and one inference library, no training code."""
