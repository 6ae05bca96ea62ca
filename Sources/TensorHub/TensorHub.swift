enum TensorHubPlaceholder {}
