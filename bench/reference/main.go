// Command reference measures the OpenTelemetry Collector's transform and filter processors for the benchmark beside it.
//
// It serves: every line of standard input is a Request, every line of standard output its Result, so that the caller
// can interleave these measurements with its own. All work is done by one goroutine on one processor.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// Request asks for one measurement. Without a configuration only the codec is measured (process is then zero).
type Request struct {
	Processor  string         `json:"processor"` // transform (default) or filter
	Config     map[string]any `json:"config"`
	Signal     string         `json:"signal"`     // traces, metrics or logs
	Payload    string         `json:"payload"`    // path of one OTLP message
	JSON       bool           `json:"json"`       // the payload, and what comes out, is OTLP JSON instead of protobuf
	Seconds    float64        `json:"seconds"`    // run about this long ...
	Iterations int            `json:"iterations"` // ... or exactly this often
	Output     string         `json:"output"`     // write what came out of the last iteration to this file
}

// Result is one measurement; the parts are means over all iterations.
type Result struct {
	Payload     string             `json:"payload"`
	Signal      string             `json:"signal"`
	Rows        int                `json:"rows"`
	Iterations  int                `json:"iterations"`
	OutputBytes int                `json:"output_bytes"`
	NanosPerOp  map[string]float64 `json:"ns_per_op"` // unmarshal, process, marshal, total
	Error       string             `json:"error,omitempty"`
}

// stages are the three steps of one iteration over fresh data; process edits the data, rows counts them.
type stages struct {
	unmarshal func(payload []byte) error
	process   func() error
	marshal   func() ([]byte, error)
	rows      func() int
}

type factories struct {
	processor.Factory
	config   component.Config
	settings processor.Settings
}

func load(request *Request) (*factories, error) {
	factory := transformprocessor.NewFactory()
	if request.Processor == "filter" {
		factory = filterprocessor.NewFactory()
	}
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(request.Config).Unmarshal(config); err != nil {
		return nil, err
	}
	if err := confmap.Validate(config); err != nil {
		return nil, err
	}
	return &factories{factory, config, processor.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: nooptrace.NewTracerProvider(),
			MeterProvider:  noopmetric.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}}, nil
}

// build makes the stages of one signal from its codec and the processor's consume method.
func build[T any](
	decode func([]byte) (T, error), encode func(T) ([]byte, error), count func(T) int, consume func(T) error, out *T,
) *stages {
	var data T
	if consume == nil {
		consume = func(value T) error { *out = value; return nil }
	}
	return &stages{
		unmarshal: func(payload []byte) (err error) { data, err = decode(payload); return err },
		process:   func() error { return consume(data) },
		marshal:   func() ([]byte, error) { return encode(*out) },
		rows:      func() int { return count(data) },
	}
}

func newStages(request *Request) (*stages, error) {
	ctx := context.Background()
	with := consumer.WithCapabilities(consumer.Capabilities{MutatesData: true})
	var f *factories
	if request.Config != nil {
		var err error
		if f, err = load(request); err != nil {
			return nil, err
		}
	}
	switch request.Signal {
	case "traces":
		decode, encode := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces, (&ptrace.ProtoMarshaler{}).MarshalTraces
		if request.JSON {
			decode, encode = (&ptrace.JSONUnmarshaler{}).UnmarshalTraces, (&ptrace.JSONMarshaler{}).MarshalTraces
		}
		out := ptrace.NewTraces()
		var consume func(ptrace.Traces) error
		if f != nil {
			next, _ := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error { out = td; return nil }, with)
			p, err := f.CreateTraces(ctx, f.settings, f.config, next)
			if err != nil {
				return nil, err
			}
			consume = func(td ptrace.Traces) error { return p.ConsumeTraces(ctx, td) }
		}
		return build(decode, encode, ptrace.Traces.SpanCount, consume, &out), nil
	case "metrics":
		decode, encode := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics, (&pmetric.ProtoMarshaler{}).MarshalMetrics
		if request.JSON {
			decode, encode = (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics, (&pmetric.JSONMarshaler{}).MarshalMetrics
		}
		out := pmetric.NewMetrics()
		var consume func(pmetric.Metrics) error
		if f != nil {
			next, _ := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error { out = md; return nil }, with)
			p, err := f.CreateMetrics(ctx, f.settings, f.config, next)
			if err != nil {
				return nil, err
			}
			consume = func(md pmetric.Metrics) error { return p.ConsumeMetrics(ctx, md) }
		}
		return build(decode, encode, pmetric.Metrics.DataPointCount, consume, &out), nil
	case "logs":
		decode, encode := (&plog.ProtoUnmarshaler{}).UnmarshalLogs, (&plog.ProtoMarshaler{}).MarshalLogs
		if request.JSON {
			decode, encode = (&plog.JSONUnmarshaler{}).UnmarshalLogs, (&plog.JSONMarshaler{}).MarshalLogs
		}
		out := plog.NewLogs()
		var consume func(plog.Logs) error
		if f != nil {
			next, _ := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error { out = ld; return nil }, with)
			p, err := f.CreateLogs(ctx, f.settings, f.config, next)
			if err != nil {
				return nil, err
			}
			consume = func(ld plog.Logs) error { return p.ConsumeLogs(ctx, ld) }
		}
		return build(decode, encode, plog.Logs.LogRecordCount, consume, &out), nil
	}
	return nil, fmt.Errorf("unknown signal %q", request.Signal)
}

func measure(request *Request) (*Result, error) {
	payload, err := os.ReadFile(request.Payload)
	if err != nil {
		return nil, err
	}
	s, err := newStages(request)
	if err != nil {
		return nil, err
	}
	result := &Result{Payload: request.Payload, Signal: request.Signal}
	var output []byte
	var unmarshal, process, marshal time.Duration
	// Each iteration starts from the bytes, since processors edit the data in place.
	once := func() error {
		start := time.Now()
		if err := s.unmarshal(payload); err != nil {
			return err
		}
		if result.Rows == 0 { // only when warming up, whose times do not count
			result.Rows = s.rows()
		}
		decoded := time.Now()
		if err := s.process(); err != nil {
			return err
		}
		processed := time.Now()
		if output, err = s.marshal(); err != nil {
			return err
		}
		end := time.Now()
		unmarshal += decoded.Sub(start)
		process += processed.Sub(decoded)
		marshal += end.Sub(processed)
		return nil
	}
	if err := once(); err != nil { // warm up
		return nil, err
	}
	runtime.GC()
	unmarshal, process, marshal = 0, 0, 0
	deadline := time.Now().Add(time.Duration(request.Seconds * float64(time.Second)))
	for n := 0; n == 0 || n < request.Iterations || (request.Iterations == 0 && time.Now().Before(deadline)); n++ {
		if err := once(); err != nil {
			return nil, err
		}
		result.Iterations++
	}
	mean := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(result.Iterations) }
	result.NanosPerOp = map[string]float64{
		"unmarshal": mean(unmarshal), "process": mean(process), "marshal": mean(marshal),
		"total": mean(unmarshal + process + marshal),
	}
	result.OutputBytes = len(output)
	if request.Output != "" {
		return result, os.WriteFile(request.Output, output, 0o644)
	}
	return result, nil
}

// answer never fails: what goes wrong, a panic included, is told in the result.
func answer(line []byte) (result *Result) {
	defer func() {
		if reason := recover(); reason != nil {
			result = &Result{Error: fmt.Sprint(reason)}
		}
	}()
	var request Request
	err := json.Unmarshal(line, &request)
	if err == nil {
		if result, err = measure(&request); err == nil {
			return result
		}
	}
	return &Result{Payload: request.Payload, Signal: request.Signal, Error: err.Error()}
}

func main() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(100)
	time.Local = time.UTC
	reader := bufio.NewReader(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			if err := encoder.Encode(answer(line)); err != nil {
				os.Exit(1)
			}
		}
		if err != nil {
			return
		}
	}
}
