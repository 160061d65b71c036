"""What is served: one folder that binds vectors, towers, catalogue and figures."""
