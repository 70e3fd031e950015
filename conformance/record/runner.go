package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// caseTimeout is how long the reference may think about one case before it counts as hanging.
const caseTimeout = 4 * time.Second

// workerMemory caps a worker, so that an answer that grows without end stops there (bytes of address space).
const workerMemory = 8 << 30

// runner asks a child process, because a hanging or dying reference can only be stopped from outside.
type runner struct {
	command *exec.Cmd
	in      io.WriteCloser
	lines   chan []byte
	stderr  *strings.Builder
}

func (r *runner) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.command = exec.Command(self, "worker")
	r.command.Env = append(os.Environ(), "TZ=UTC", "GOTRACEBACK=none")
	r.stderr = &strings.Builder{}
	r.command.Stderr = r.stderr
	if r.in, err = r.command.StdinPipe(); err != nil {
		return err
	}
	out, err := r.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := r.command.Start(); err != nil {
		return err
	}
	lines := make(chan []byte)
	r.lines = lines
	go func() {
		defer close(lines)
		reader := bufio.NewReader(out)
		for {
			line, err := reader.ReadBytes('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	return nil
}

func (r *runner) stop() {
	if r.command != nil {
		_ = r.in.Close()
		_ = r.command.Process.Kill()
		_ = r.command.Wait()
		r.command = nil
	}
}

// ask gives a task to the child and waits for the answer; a child that dies or hangs is replaced.
func (r *runner) ask(task *Task) (Answer, error) {
	if r.command == nil {
		if err := r.start(); err != nil {
			return Answer{}, err
		}
	}
	if _, err := r.in.Write(encodeLine(task)); err != nil {
		r.stop()
		return Answer{}, err
	}
	select {
	case line, alive := <-r.lines:
		if !alive {
			_ = r.command.Wait()
			text := r.stderr.String()
			r.command = nil
			if strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate") {
				return Answer{Hang: true, ErrorText: "out of memory"}, nil
			}
			first, _, _ := strings.Cut(text, "\n")
			return Answer{Panic: true, ErrorText: first}, nil
		}
		var answer Answer
		err := json.Unmarshal(line, &answer)
		return answer, err
	case <-time.After(caseTimeout):
		r.stop()
		return Answer{Hang: true, ErrorText: "no answer in time"}, nil
	}
}

func limitMemory() {
	limit := syscall.Rlimit{Cur: workerMemory, Max: workerMemory}
	_ = syscall.Setrlimit(syscall.RLIMIT_AS, &limit)
}
