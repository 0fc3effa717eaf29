package packet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/bpf"
)

// LoadBPF reads a program in the form that "tcpdump -ddd" writes: the number of
// instructions, then one instruction a line as four decimal numbers. The program
// is checked: known instructions, jumps within it, a return at its end.
func LoadBPF(r io.Reader) ([]bpf.RawInstruction, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 256)
	n := 0
	if !lines.Scan() {
		return nil, errors.Join(errors.New("load BPF program: it is empty"), lines.Err())
	}
	if err := scanNumbers(lines.Text(), &n); err != nil {
		return nil, fmt.Errorf("load BPF program: line 1: the number of instructions: %w", err)
	}
	if n < 1 || n > maxProgram {
		return nil, fmt.Errorf("load BPF program: %d instructions, not 1 to %d", n, maxProgram)
	}
	var prog []bpf.RawInstruction
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var i bpf.RawInstruction
		if err := scanNumbers(lines.Text(), &i.Op, &i.Jt, &i.Jf, &i.K); err != nil {
			return nil, fmt.Errorf("load BPF program: instruction %d: %w", len(prog), err)
		}
		if prog = append(prog, i); len(prog) > n {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("load BPF program: %w", err)
	}
	if len(prog) != n {
		return nil, fmt.Errorf("load BPF program: it says %d instructions and has %d", n, len(prog))
	}
	if err := checkBPF(prog); err != nil {
		return nil, fmt.Errorf("load BPF program: %w", err)
	}
	return prog, nil
}

// scanNumbers reads decimal numbers that fill a line.
func scanNumbers(line string, into ...any) error {
	fields := strings.Fields(line)
	if len(fields) != len(into) {
		return fmt.Errorf("%q is not %d numbers", line, len(into))
	}
	for i, f := range fields {
		if strings.Trim(f, "0123456789") != "" {
			return fmt.Errorf("%q is not a number", f)
		}
		if _, err := fmt.Sscanf(f, "%d", into[i]); err != nil {
			return fmt.Errorf("%q: %w", f, err)
		}
	}
	return nil
}

// checkBPF checks what the kernel would refuse.
func checkBPF(prog []bpf.RawInstruction) error {
	for i, raw := range prog {
		left := len(prog) - i - 1 // instructions after this one
		switch ins := raw.Disassemble().(type) {
		case bpf.RawInstruction:
			return fmt.Errorf("instruction %d: unknown operation %#x with %d", i, raw.Op, raw.K)
		case bpf.Jump:
			if uint64(ins.Skip) >= uint64(left) {
				return fmt.Errorf("instruction %d: jumps out of the program", i)
			}
		case bpf.JumpIf, bpf.JumpIfX:
			if int(max(raw.Jt, raw.Jf)) >= left {
				return fmt.Errorf("instruction %d: jumps out of the program", i)
			}
		case bpf.ALUOpConstant:
			if ins.Val == 0 && (ins.Op == bpf.ALUOpDiv || ins.Op == bpf.ALUOpMod) {
				return fmt.Errorf("instruction %d: divides by zero", i)
			}
			if ins.Val >= 32 && (ins.Op == bpf.ALUOpShiftLeft || ins.Op == bpf.ALUOpShiftRight) {
				return fmt.Errorf("instruction %d: shifts by %d bits", i, ins.Val)
			}
		}
	}
	switch prog[len(prog)-1].Disassemble().(type) {
	case bpf.RetA, bpf.RetConstant:
		return nil
	}
	return errors.New("the last instruction is not a return")
}
