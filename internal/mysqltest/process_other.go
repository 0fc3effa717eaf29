//go:build !linux

package mysqltest

import "os/exec"

// bindToParent does nothing: only Linux can. There are no private servers
// elsewhere either, since there are no Debian packages for it.
func bindToParent(*exec.Cmd) {}

// awaitStop returns at once.
func awaitStop(int) error { return nil }
