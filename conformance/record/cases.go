package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fields are what a case can say; what it leaves out comes from its section, then from its file.
type Fields struct {
	Processor   string    `yaml:"processor"`
	Signal      string    `yaml:"signal"`
	Context     string    `yaml:"context"`
	Input       any       `yaml:"input"`
	Target      string    `yaml:"target"`
	ErrorMode   any       `yaml:"error_mode"`
	Gates       []string  `yaml:"gates"`
	Metadata    *Metadata `yaml:"metadata"`
	SharedCache *bool     `yaml:"shared_cache"`
	Ordered     *bool     `yaml:"ordered"`
}

// Case is one question; README.md in the folder above describes the forms.
type Case struct {
	ID         string         `yaml:"id"`
	Value      string         `yaml:"value"`
	Where      string         `yaml:"where"`
	Statements []string       `yaml:"statements"`
	Conditions []string       `yaml:"conditions"`
	Groups     []any          `yaml:"groups"`
	Config     map[string]any `yaml:"config"`
	Fields     `yaml:",inline"`
}

// Section is a run of cases that share an id prefix and defaults.
type Section struct {
	Name   string `yaml:"section"`
	Cases  []Case `yaml:"cases"`
	Fields `yaml:",inline"`
}

// File is one YAML file of cases.
type File struct {
	Inputs   map[string]any `yaml:"inputs"`
	Sections []Section      `yaml:"sections"`
	Fields   `yaml:",inline"`
}

// over gives the fields with those left out filled in from the outer ones.
func (f Fields) over(outer Fields) Fields {
	fill := func(inner *string, value string) {
		if *inner == "" {
			*inner = value
		}
	}
	fill(&f.Processor, outer.Processor)
	fill(&f.Signal, outer.Signal)
	fill(&f.Context, outer.Context)
	fill(&f.Target, outer.Target)
	if f.Input == nil {
		f.Input = outer.Input
	}
	if f.ErrorMode == nil {
		f.ErrorMode = outer.ErrorMode
	}
	if f.Gates == nil {
		f.Gates = outer.Gates
	}
	if f.Metadata == nil {
		f.Metadata = outer.Metadata
	}
	if f.SharedCache == nil {
		f.SharedCache = outer.SharedCache
	}
	if f.Ordered == nil {
		f.Ordered = outer.Ordered
	}
	return f
}

// loadFile reads a file and expands its cases into tasks.
func loadFile(path string) ([]*Task, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var file File
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var tasks []*Task
	seen := map[string]bool{}
	for _, section := range file.Sections {
		outer := section.Fields.over(file.Fields)
		for _, item := range section.Cases {
			item.Fields = item.Fields.over(outer)
			expanded, err := expand(section.Name+"."+item.ID, item, file.Inputs)
			if err != nil {
				return nil, fmt.Errorf("%s: %s.%s: %w", path, section.Name, item.ID, err)
			}
			for _, task := range expanded {
				if seen[task.ID] {
					return nil, fmt.Errorf("%s: %s: id used twice", path, task.ID)
				}
				seen[task.ID] = true
				tasks = append(tasks, task)
			}
		}
	}
	return tasks, nil
}

// expand turns a case into tasks: one, or one an error mode when several are asked for.
func expand(id string, item Case, inputs map[string]any) ([]*Task, error) {
	modes := []any{item.ErrorMode}
	if list, several := item.ErrorMode.([]any); several {
		modes = list
	}
	var tasks []*Task
	for _, mode := range modes {
		task := &Task{ID: id, Processor: item.Processor, Signal: item.Signal, Gates: item.Gates, Metadata: item.Metadata}
		if task.Processor == "" {
			task.Processor = "transform"
		}
		if len(modes) > 1 {
			task.ID = fmt.Sprintf("%s.%v", id, mode)
		}
		if item.Ordered != nil {
			task.Ordered = *item.Ordered
		}
		config, err := json.Marshal(configuration(item, task.Processor, mode))
		if err != nil {
			return nil, err
		}
		task.Config = config
		if err := task.setInput(item.Input, inputs); err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// setInput resolves an input: a name, a message, or {protobuf_hex: ...}; a text that is no name is JSON.
// Only the raw ones, text and hex, may be refused by the reference as no message at all.
func (t *Task) setInput(input any, inputs map[string]any) error {
	if name, isText := input.(string); isText {
		if named, found := inputs[name]; found {
			input = named
		}
	}
	switch v := input.(type) {
	case string:
		if !strings.HasPrefix(strings.TrimSpace(v), "{") {
			return fmt.Errorf("input %.30q is neither a name nor JSON", v)
		}
		t.InputText, t.Raw = v, true
		return nil
	case map[string]any:
		if text, isHex := v["protobuf_hex"].(string); isHex {
			t.InputHex, t.Raw = &text, true
			return nil
		}
		text, err := json.Marshal(v)
		t.InputText = string(text)
		return err
	}
	return fmt.Errorf("no input")
}

// configuration builds the processor's configuration from the short forms.
func configuration(item Case, processor string, mode any) map[string]any {
	config := map[string]any{}
	if mode != nil {
		config["error_mode"] = mode
	}
	if item.Config != nil {
		for name, value := range item.Config {
			config[name] = value
		}
		return config
	}
	kind := strings.TrimSuffix(item.Signal, "s")
	if processor == "filter" {
		name := kind + "_conditions"
		switch {
		case item.Groups != nil:
			config[name] = item.Groups
		case item.Context != "":
			config[name] = []any{map[string]any{"context": item.Context, "conditions": item.Conditions}}
		default:
			config[name] = item.Conditions
		}
		return config
	}
	statements := item.Statements
	if item.Value != "" {
		statements = []string{
			fmt.Sprintf(`set(%s["out"], %s)`, item.Target, item.Value),
			fmt.Sprintf(`set(%s["done"], true)`, item.Target),
		}
	}
	if item.Where != "" {
		statements = []string{
			fmt.Sprintf(`set(%s["out"], true) where %s`, item.Target, item.Where),
			fmt.Sprintf(`set(%s["done"], true)`, item.Target),
		}
	}
	name := kind + "_statements"
	if item.Groups != nil {
		config[name] = item.Groups
		return config
	}
	if item.Context == "" && item.Conditions == nil && item.SharedCache == nil {
		config[name] = statements
		return config
	}
	group := map[string]any{"statements": statements}
	if item.Context != "" {
		group["context"] = item.Context
	}
	if item.Conditions != nil {
		group["conditions"] = item.Conditions
	}
	if item.SharedCache != nil {
		group["shared_cache"] = *item.SharedCache
	}
	config[name] = []any{group}
	return config
}

// Record is one line of an answers file. The configuration is kept so that a changed case shows as unanswered.
type Record struct {
	ID     string          `json:"id"`
	Config json.RawMessage `json:"config"`
	Answer
}

func readRecords(path string) (map[string]Record, error) {
	records := map[string]Record{}
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return records, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<26)
	for scanner.Scan() {
		var record Record
		if err := json.Unmarshal(scanner.Bytes(), &record); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		records[record.ID] = record
	}
	return records, scanner.Err()
}

// recordAll answers every case of the folder. An answer that says the same as the kept one leaves it as it is, so that
// orders which the reference does not fix do not change from run to run. With check nothing is written.
func recordAll(folder string, check bool) (failures int, err error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return 0, err
	}
	slices.Sort(paths)
	var child runner
	defer child.stop()
	total := 0
	for _, path := range paths {
		tasks, err := loadFile(path)
		if err != nil {
			return failures, err
		}
		answers := filepath.Join(folder, "answers", strings.TrimSuffix(filepath.Base(path), ".yaml")+".jsonl")
		kept, err := readRecords(answers)
		if err != nil {
			return failures, err
		}
		var lines bytes.Buffer
		changed := len(kept) != len(tasks)
		for _, task := range tasks {
			answer, err := child.ask(task)
			if err != nil {
				return failures, err
			}
			if answer.BadInput && !task.Raw {
				return failures, fmt.Errorf("%s: %s: %s", path, task.ID, answer.ErrorText)
			}
			record := Record{ID: task.ID, Config: task.Config, Answer: answer}
			old, found := kept[task.ID]
			if found && bytes.Equal(old.Config, task.Config) && sameAnswer(old.Answer, answer, options{task.Ordered, true}) {
				record = old
			} else {
				changed = true
				failures++
				if check {
					fmt.Printf("%s: %s differs\n  kept %s  now  %s", path, task.ID, encodeLine(old.Answer), encodeLine(answer))
				}
			}
			lines.Write(encodeLine(record))
		}
		total += len(tasks)
		if changed && !check {
			if err := os.MkdirAll(filepath.Dir(answers), 0o755); err != nil {
				return failures, err
			}
			if err := os.WriteFile(answers, lines.Bytes(), 0o644); err != nil {
				return failures, err
			}
		}
		if changed && check && failures == 0 {
			failures++
			fmt.Printf("%s: answers of removed cases are kept\n", answers)
		}
	}
	fmt.Printf("%d cases, %d changed\n", total, failures)
	if !check {
		failures = 0
	}
	return failures, nil
}
