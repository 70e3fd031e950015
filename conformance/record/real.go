package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// realFolders are the captures, below the data folder, that the rules of real/ run over.
var realFolders = []string{"otel-demo", "otlp-samples"}

// Digest says what the reference makes of one message with one set of rules, without saying the message.
type Digest struct {
	File   string `json:"file"`
	Index  int    `json:"index"`
	Signal string `json:"signal"`
	Rules  string `json:"rules"`
	SHA256 string `json:"sha256,omitempty"`
	Error  string `json:"error,omitempty"` // bad_input or error
}

// realMessage is one message of a capture.
type realMessage struct {
	file, signal string
	index        int
	text         string
	hex          *string
}

// signalOf tells the signal of a JSON message by its first member that names one.
func signalOf(text []byte) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return ""
	}
	for _, pair := range [][2]string{
		{"resourceSpans", "traces"}, {"resourceMetrics", "metrics"}, {"resourceLogs", "logs"},
	} {
		if _, found := members[pair[0]]; found {
			return pair[1]
		}
	}
	return ""
}

func readReal(data string) ([]realMessage, error) {
	var messages []realMessage
	for _, folder := range realFolders {
		paths, err := filepath.Glob(filepath.Join(data, folder, "*"))
		if err != nil {
			return nil, err
		}
		slices.Sort(paths)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			name := folder + "/" + filepath.Base(path)
			switch filepath.Ext(path) {
			case ".jsonl":
				for i, line := range bytes.Split(bytes.TrimSpace(content), []byte("\n")) {
					if signal := signalOf(line); signal != "" {
						messages = append(messages, realMessage{file: name, signal: signal, index: i, text: string(line)})
					}
				}
			case ".json":
				if signal := signalOf(content); signal != "" {
					messages = append(messages, realMessage{file: name, signal: signal, text: string(content)})
				}
			case ".pb":
				text := hex.EncodeToString(content)
				for _, signal := range []string{"traces", "metrics", "logs"} {
					if strings.Contains(name, signal) {
						messages = append(messages, realMessage{file: name, signal: signal, hex: &text})
					}
				}
			}
		}
	}
	if len(messages) == 0 {
		return nil, errors.New("no captures in " + data)
	}
	return messages, nil
}

// recordReal runs every rules file of real/ over every message and keeps digests of what came out.
func recordReal(folder, data string, check bool) (failures int, err error) {
	messages, err := readReal(data)
	if err != nil {
		return 0, err
	}
	paths, err := filepath.Glob(filepath.Join(folder, "real", "*.yaml"))
	if err != nil {
		return 0, err
	}
	slices.Sort(paths)
	var child runner
	defer child.stop()
	var lines bytes.Buffer
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		var rules struct {
			Processor string         `yaml:"processor"`
			Config    map[string]any `yaml:"config"`
			Refusals  bool           `yaml:"refusals"` // keep which messages the reference cannot read
		}
		if err := yaml.Unmarshal(content, &rules); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		config, err := json.Marshal(rules.Config)
		if err != nil {
			return 0, err
		}
		for _, message := range messages {
			answer, err := child.ask(&Task{
				ID: path, Processor: rules.Processor, Signal: message.signal, Config: config,
				InputText: message.text, InputHex: message.hex, WantJSON: true,
			})
			if err != nil {
				return 0, err
			}
			if answer.BadInput && !rules.Refusals {
				continue // said once is enough
			}
			digest := Digest{
				File: message.file, Index: message.index, Signal: message.signal, Rules: filepath.Base(path),
			}
			switch {
			case answer.BadInput:
				digest.Error = "bad_input"
			case answer.Error:
				digest.Error = "error"
			case answer.Output == nil:
				return 0, fmt.Errorf("%s, %s: %s", path, message.file, answer.ErrorText)
			default:
				value, err := canonicalJSON(answer.Output, options{ordered: true, signedZero: true})
				if err != nil {
					return 0, err
				}
				hasher := sha256.New()
				hashValue(hasher, value)
				digest.SHA256 = hex.EncodeToString(hasher.Sum(nil))
			}
			lines.Write(encodeLine(digest))
		}
	}
	target := filepath.Join(folder, "real", "digests.jsonl")
	kept, err := os.ReadFile(target)
	if err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	if bytes.Equal(kept, lines.Bytes()) {
		fmt.Printf("%d digests, none changed\n", bytes.Count(lines.Bytes(), []byte("\n")))
		return 0, nil
	}
	fmt.Printf("%d digests, some changed\n", bytes.Count(lines.Bytes(), []byte("\n")))
	if check {
		return 1, nil
	}
	return 0, os.WriteFile(target, lines.Bytes(), 0o644)
}

// hashValue feeds a canonical value to the hash; tests/otlp_compare.py has the same in words.
func hashValue(hasher hash.Hash, value any) {
	switch v := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		hasher.Write([]byte("{"))
		for _, name := range names {
			hashValue(hasher, name)
			hashValue(hasher, v[name])
		}
		hasher.Write([]byte("}"))
	case []any:
		hasher.Write([]byte("["))
		for _, member := range v {
			hashValue(hasher, member)
		}
		hasher.Write([]byte("]"))
	case bool:
		hasher.Write([]byte(map[bool]string{true: "T", false: "F"}[v]))
	default:
		text := fmt.Sprint(v)
		fmt.Fprintf(hasher, "%d:%s", len(text), text)
	}
}
