package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// decodeNumbers parses JSON keeping integers apart from doubles, as a YAML configuration would give them.
func decodeNumbers(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return plainNumbers(value), nil
}

func plainNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = plainNumbers(member)
		}
	case []any:
		for i, member := range v {
			v[i] = plainNumbers(member)
		}
	case json.Number:
		if whole, err := strconv.Atoi(v.String()); err == nil {
			return whole
		}
		if number, err := v.Float64(); err == nil {
			return number
		}
	}
	return value
}

// doubleFields are the JSON names of OTLP fields that hold doubles; presenceFields those that count even at their default.
var (
	doubleFields = []string{
		"doubleValue", "asDouble", "explicitBounds", "sum", "min", "max", "quantile", "value", "zeroThreshold",
	}
	presenceFields = []string{
		"stringValue", "boolValue", "intValue", "doubleValue", "bytesValue", "arrayValue", "kvlistValue",
		"stringValueStrindex", "asInt", "asDouble", "gauge", "sum", "histogram", "exponentialHistogram", "summary",
		"min", "max",
	}
)

// options says what a comparison looks at: the order of map keys, and the sign of a zero.
type options struct{ ordered, signedZero bool }

// canonical makes equal messages equal values: numbers as text (doubles by value), absent and default fields
// alike, and, unless the order counts, entries of maps sorted by key. The name is that of the field that holds the value.
func canonical(name string, value any, o options) any {
	switch v := value.(type) {
	case map[string]any:
		message := map[string]any{}
		for field, member := range v {
			member = canonical(field, member, o)
			if slices.Contains(presenceFields, field) || !isDefault(member) {
				message[field] = member
			}
		}
		return message
	case []any:
		list := make([]any, len(v))
		for i, member := range v {
			list[i] = canonical(name, member, o)
		}
		if !o.ordered {
			sortEntries(list)
		}
		return list
	case json.Number:
		if slices.Contains(doubleFields, name) {
			return doubleText(v.String(), o)
		}
		return integer(v.String())
	case string:
		if slices.Contains(doubleFields, name) {
			return doubleText(v, o)
		}
	}
	return value
}

// integer and double are canonical numbers: digits, and the bits in hexadecimal. 64-bit integers, which JSON writes as
// text, stay text.
type (
	integer string
	double  string
)

func doubleText(text string, o options) any {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(number, 0) {
		return text
	}
	if math.IsNaN(number) {
		return "NaN"
	}
	if number == 0 && !o.signedZero {
		number = 0
	}
	return double(fmt.Sprintf("%016x", math.Float64bits(number)))
}

const zeroBits double = "0000000000000000"

func isDefault(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case integer:
		return v == "0"
	case double:
		return v == zeroBits
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// sortEntries orders a list of key and value pairs by key; other lists stay.
func sortEntries(list []any) {
	key := func(entry any) (string, bool) {
		message, ok := entry.(map[string]any)
		if !ok {
			return "", false
		}
		for field := range message {
			if field != "key" && field != "value" {
				return "", false
			}
		}
		text, _ := message["key"].(string)
		return text, true
	}
	for _, entry := range list {
		if _, ok := key(entry); !ok {
			return
		}
	}
	slices.SortStableFunc(list, func(a, b any) int {
		left, _ := key(a)
		right, _ := key(b)
		return bytes.Compare([]byte(left), []byte(right))
	})
}

func canonicalJSON(text []byte, o options) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return canonical("", value, o), nil
}

// sameAnswer tells whether two answers say the same; error texts are information and never compared.
func sameAnswer(a, b Answer, o options) bool {
	if a.Error != b.Error || a.ConfigError != b.ConfigError || a.Panic != b.Panic || a.Hang != b.Hang || a.BadInput != b.BadInput {
		return false
	}
	if (a.Output == nil) != (b.Output == nil) || (a.OutputHex == nil) != (b.OutputHex == nil) {
		return false
	}
	if a.OutputHex != nil {
		return *a.OutputHex == *b.OutputHex
	}
	if a.Output == nil {
		return true
	}
	left, errLeft := canonicalJSON(a.Output, o)
	right, errRight := canonicalJSON(b.Output, o)
	return errLeft == nil && errRight == nil && reflect.DeepEqual(left, right)
}
