package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// listensToo tells whether the process that listens on a unix socket listens on
// a TCP port, too.
func listensToo(socket string, port uint16) (bool, error) {
	pid, err := listener(socket)
	if err != nil {
		return false, err
	}
	sockets, err := listening(pid, port)
	if err != nil || len(sockets) == 0 {
		return false, err
	}
	files := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(files)
	if err != nil {
		return false, err
	}
	for _, f := range list {
		if to, err := os.Readlink(filepath.Join(files, f.Name())); err == nil && sockets[to] {
			return true, nil
		}
	}
	return false, nil
}

// listener returns the process that listens on a unix socket.
func listener(socket string) (pid int32, err error) {
	nc, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	rc, err := nc.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := rc.Control(func(fd uintptr) {
		var c *unix.Ucred
		if c, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = c.Pid
		}
	})
	if err = errors.Join(failed, err); err == nil && pid == 0 {
		err = errors.New("the server runs in another process namespace")
	}
	return pid, err
}

// tcpListen is the state LISTEN in /proc/net/tcp (proc_net(5)).
const tcpListen = "0A"

// listening returns the sockets that listen on a port where the process lives,
// named as /proc/PID/fd does.
func listening(pid int32, port uint16) (map[string]bool, error) {
	sockets := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue // no IPv6 here
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// sl local_address rem_address st queues tr:when retrnsmt uid timeout inode
			w := strings.Fields(lines.Text())
			if len(w) < 10 || w[3] != tcpListen {
				continue
			}
			_, at, _ := strings.Cut(w[1], ":")
			if n, err := strconv.ParseUint(at, 16, 16); err == nil && uint16(n) == port {
				sockets["socket:["+w[9]+"]"] = true
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}
