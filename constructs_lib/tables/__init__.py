"""Where commands, data and history are kept."""
