//go:build race

package costs

const race = true
