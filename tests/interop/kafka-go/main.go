// Runs every case of segmentio/kafka-go against the broker at the address given.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 4 && args[0] == "--member":
		member(args[1], args[2], args[3])
	case len(args) == 1 || len(args) == 2:
		suite := &suite{bootstrap: args[0]}
		addGroupCases(suite)
		addProduceCases(suite)
		addConsumeCases(suite)
		addAdminCases(suite)
		only := ""
		if len(args) == 2 {
			only = args[1]
		}
		if suite.run(only) > 0 {
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: interop BOOTSTRAP [part of a case's name]")
		os.Exit(2)
	}
}

// A member of a group, to be killed.
func member(bootstrap, group, topic string) {
	env := &env{bootstrap: bootstrap, name: "member"}
	env.ctx, env.cancel = context.WithCancel(context.Background())
	env.join(group, topic)
	<-env.ctx.Done()
}
