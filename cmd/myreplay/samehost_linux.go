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
	err := eachListener(strconv.Itoa(int(pid)), func(at, inode string) {
		_, at, _ = strings.Cut(at, ":")
		if n, err := strconv.ParseUint(at, 16, 16); err == nil && uint16(n) == port {
			sockets["socket:["+inode+"]"] = true
		}
	})
	if err != nil {
		return nil, err
	}
	return sockets, nil
}

// eachListener calls f for each TCP socket that listens where a process lives
// ("self", or its number): with its address as /proc/net/tcp has it, and its inode.
func eachListener(process string, f func(at, inode string)) error {
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join("/proc", process, "net", name))
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue // no IPv6 here
		}
		if err != nil {
			return err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			// sl local_address rem_address st queues tr:when retrnsmt uid timeout inode
			if w := strings.Fields(lines.Text()); len(w) >= 10 && w[3] == tcpListen {
				f(w[1], w[9])
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return nil
}
