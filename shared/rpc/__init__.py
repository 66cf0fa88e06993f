"""The gRPC runtime: servers, clients, and the guard between the wire and a servicer."""
