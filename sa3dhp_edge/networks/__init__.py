"""The networks of the method, and what can be done to the weights of any of them."""
