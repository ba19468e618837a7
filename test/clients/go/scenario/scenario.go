// Package scenario runs named scenarios one after another, prints a result line for each, then "done".
package scenario

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
)

type entry struct {
	name string
	run  func() error
}

var entries []entry
var count int

// Add registers a scenario.
func Add(name string, run func() error) { entries = append(entries, entry{name, run}) }

// Unique makes a name nobody used before.
func Unique(name string) string {
	count++
	return fmt.Sprintf("go-%s-%x%d", name, time.Now().UnixMilli(), count)
}

// Env is the environment variable or its default.
func Env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// Equal is an error that shows both unless they are equal.
func Equal(what string, got, want any) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("%s:\n  expected %s\n  got      %s", what, brief(want), brief(got))
}

func brief(value any) string {
	text := fmt.Sprintf("%#v", value)
	if len(text) > 800 {
		return text[:400] + " … " + text[len(text)-400:]
	}
	return text
}

// Eventually calls check until it is true.
func Eventually(what string, check func() bool) error {
	deadline := time.Now().Add(20 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within 20 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// Main runs everything and exits.
func Main() {
	failed := false
	for _, entry := range entries {
		if !strings.Contains(entry.name, os.Getenv("SCENARIO")) {
			continue
		}
		started := time.Now()
		outcome := make(chan error, 1)
		go func() {
			defer func() {
				if problem := recover(); problem != nil {
					outcome <- fmt.Errorf("panic: %v", problem)
				}
			}()
			outcome <- entry.run()
		}()
		var problem error
		select {
		case problem = <-outcome:
		case <-time.After(90 * time.Second):
			problem = fmt.Errorf("no end after 90 s")
		}
		took := time.Since(started).Milliseconds()
		if problem == nil {
			fmt.Printf("ok %d %s\n", took, entry.name)
			continue
		}
		failed = true
		fmt.Printf("not ok %d %s\n    %s\n", took, entry.name, strings.ReplaceAll(problem.Error(), "\n", "\n    "))
	}
	fmt.Println("done")
	if failed {
		os.Exit(1)
	}
}
