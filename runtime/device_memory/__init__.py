"""Memory of the GPU behind one small protocol, so that what runs an engine can be tested where there is none."""
