"""TensorRT engines: built on the device from a model folder, named by what they depend on, kept, explained, checked."""
