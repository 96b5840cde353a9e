"""What crosses a process: `completion` has the types of a completion, `engine` the frames of the pipe
to the engine, `http` the bodies of the socket.
"""
