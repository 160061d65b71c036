from colisten.extras import needs

needs("torch", "torch_geometric")
