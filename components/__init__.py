from colisten.extras import needs

needs("kfp")
