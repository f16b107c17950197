//go:build !race

package costs

// race says that the race detector is on, which allocates.
const race = false
