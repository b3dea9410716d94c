//go:build !nopdfium && !linux && !darwin

package extract

import "context"

// withLinearMemory leaves the memory of WebAssembly on Go's heap.
func withLinearMemory(ctx context.Context) context.Context { return ctx }
