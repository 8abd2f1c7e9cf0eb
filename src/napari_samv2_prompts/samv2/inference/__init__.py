"""How a network is run fast: encode, decode, enlarge, kernels, tiling, CUDA graphs."""
