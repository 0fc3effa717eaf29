// Package netlab makes networks for tests out of Linux network namespaces: hosts
// with addresses, links between them that can be cut, and real servers and
// programs that run on a host. A lab is private to its test, needs root and
// ip(8), and is gone when the test ends; what a killed test left behind is
// removed by the next one.
package netlab
