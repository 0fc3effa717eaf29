//go:build !linux

package main

import (
	"errors"
	"os"
)

var errOnlyLinux = errors.New("-d and -l are for Linux")

func startDetached([]string, *os.File) (int, error) { return 0, errOnlyLinux }

func inheritedPipe() (*os.File, error) { return nil, errOnlyLinux }

func redirect(*os.File, *os.File) error { return errOnlyLinux }

// alive errs on the side of caution: a file that is left must be removed by hand.
func alive(int) bool { return true }

func terminalThere() bool { return false }

func notifySystemd(string) {}
