"""Before a device is used: the camera's inner geometry, and the pictures that quantisation is checked on."""
