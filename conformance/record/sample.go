package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// checkSample asks the reference again for answers recorded elsewhere, in the form of one JSON case a line.
func checkSample(path string) (failures int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var child runner
	defer child.stop()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<26)
	count := 0
	for scanner.Scan() {
		var task Task
		var recorded Answer
		var message struct {
			Input json.RawMessage `json:"input"`
		}
		if err := json.Unmarshal(scanner.Bytes(), &task); err != nil {
			return failures, err
		}
		if err := json.Unmarshal(scanner.Bytes(), &recorded); err != nil {
			return failures, err
		}
		if err := json.Unmarshal(scanner.Bytes(), &message); err != nil {
			return failures, err
		}
		task.InputText = string(message.Input)
		answer, err := child.ask(&task)
		if err != nil {
			return failures, err
		}
		count++
		if !sameAnswer(recorded, answer, options{}) {
			failures++
			fmt.Printf("%s differs\n  recorded %s  now      %s", task.ID, encodeLine(recorded), encodeLine(answer))
		}
	}
	fmt.Printf("%d cases, %d differ\n", count, failures)
	return failures, scanner.Err()
}
