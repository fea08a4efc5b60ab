module atlas.world/embedded/k3d-tools

go 1.24.0

require github.com/k3d-io/k3d/tools v0.0.0
