"""The socket: where it is, who may open it, and what a service manager hands over."""
