package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/xprocessor"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"google.golang.org/grpc/metadata"
)

// Metadata is the request metadata of a case: what a receiver would have put into the context.
type Metadata struct {
	Client struct {
		Addr     string              `json:"addr"`
		Metadata map[string][]string `json:"metadata"`
		Auth     map[string]any      `json:"auth"`
	} `json:"client"`
	GRPC struct {
		Metadata map[string][]string `json:"metadata"`
	} `json:"grpc"`
}

// Task is one expanded case: everything the worker needs to ask the reference.
type Task struct {
	ID        string          `json:"id"`
	Processor string          `json:"processor"`
	Signal    string          `json:"signal"`
	Config    json.RawMessage `json:"config"`
	Gates     []string        `json:"gates,omitempty"`
	Metadata  *Metadata       `json:"metadata,omitempty"`
	InputText string          `json:"input_text,omitempty"`
	InputHex  *string         `json:"input_protobuf_hex,omitempty"`
	WantJSON  bool            `json:"want_json,omitempty"` // also for protobuf input
	Ordered   bool            `json:"-"`
	Raw       bool            `json:"-"`
}

// Answer is what the reference did with a task. Exactly one of the outcomes is set.
type Answer struct {
	Output      json.RawMessage `json:"output,omitempty"`
	OutputHex   *string         `json:"output_protobuf_hex,omitempty"`
	Error       bool            `json:"error,omitempty"`
	ConfigError bool            `json:"config_error,omitempty"`
	Panic       bool            `json:"panic,omitempty"`
	Hang        bool            `json:"hang,omitempty"`
	BadInput    bool            `json:"bad_input,omitempty"`
	ErrorText   string          `json:"error_text,omitempty"`
}

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

type authData map[string]any

func (a authData) GetAttribute(name string) any { return plainNumbers(a[name]) }

func (a authData) GetAttributeNames() []string {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *Metadata) context() context.Context {
	ctx := context.Background()
	if m == nil {
		return ctx
	}
	info := client.Info{Metadata: client.NewMetadata(m.Client.Metadata)}
	if m.Client.Addr != "" {
		info.Addr = address(m.Client.Addr)
	}
	if m.Client.Auth != nil {
		info.Auth = authData(m.Client.Auth)
	}
	ctx = client.NewContext(ctx, info)
	if m.GRPC.Metadata != nil {
		md := metadata.MD{}
		for key, values := range m.GRPC.Metadata {
			md.Append(key, values...)
		}
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	return ctx
}

// configError marks a refusal when loading, as against a failure on data.
type configError struct{ error }

// newProcessor loads a configuration as the collector does: defaults, unmarshal, validate.
func newProcessor(name string, config json.RawMessage) (xprocessor.Factory, component.Config, processor.Settings, error) {
	factories := map[string]processor.Factory{
		"transform": transformprocessor.NewFactory(),
		"filter":    filterprocessor.NewFactory(),
	}
	factory, known := factories[name].(xprocessor.Factory)
	settings := processor.Settings{}
	if !known {
		return nil, nil, settings, fmt.Errorf("unknown processor %q", name)
	}
	settings = processor.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: nooptrace.NewTracerProvider(),
			MeterProvider:  noopmetric.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}
	raw, err := decodeNumbers(config)
	if err != nil {
		return nil, nil, settings, err
	}
	members, ok := raw.(map[string]any)
	if !ok {
		return nil, nil, settings, configError{fmt.Errorf("configuration is not a map")}
	}
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(members).Unmarshal(cfg); err != nil {
		return nil, nil, settings, configError{err}
	}
	if err := confmap.Validate(cfg); err != nil {
		return nil, nil, settings, configError{err}
	}
	return factory, cfg, settings, nil
}

// pipe is one processor for one signal with payload bytes on either side.
// The last bytes that came out are kept; nil when nothing was forwarded.
type pipe struct {
	decode  func(payload []byte, asJSON bool) error
	process func(ctx context.Context) error
	encode  func(asJSON bool) ([]byte, error)
}

// newPipe builds the pipe. Errors of the configuration come as configError.
func newPipe(name, signal string, config json.RawMessage) (*pipe, error) {
	factory, cfg, set, err := newProcessor(name, config)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	capabilities := consumer.WithCapabilities(consumer.Capabilities{MutatesData: true})
	switch signal {
	case "traces":
		return newSignalPipe(codec[ptrace.Traces]{
			&ptrace.ProtoUnmarshaler{}, &ptrace.JSONUnmarshaler{}, &ptrace.ProtoMarshaler{}, &ptrace.JSONMarshaler{},
		}, func(keep func(ptrace.Traces)) (starter, func(context.Context, ptrace.Traces) error, error) {
			next, _ := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error { keep(td); return nil }, capabilities)
			p, err := factory.CreateTraces(ctx, set, cfg, next)
			if err != nil {
				return nil, nil, err
			}
			return p, p.ConsumeTraces, nil
		})
	case "metrics":
		return newSignalPipe(codec[pmetric.Metrics]{
			&pmetric.ProtoUnmarshaler{}, &pmetric.JSONUnmarshaler{}, &pmetric.ProtoMarshaler{}, &pmetric.JSONMarshaler{},
		}, func(keep func(pmetric.Metrics)) (starter, func(context.Context, pmetric.Metrics) error, error) {
			next, _ := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error { keep(md); return nil }, capabilities)
			p, err := factory.CreateMetrics(ctx, set, cfg, next)
			if err != nil {
				return nil, nil, err
			}
			return p, p.ConsumeMetrics, nil
		})
	case "logs":
		return newSignalPipe(codec[plog.Logs]{
			&plog.ProtoUnmarshaler{}, &plog.JSONUnmarshaler{}, &plog.ProtoMarshaler{}, &plog.JSONMarshaler{},
		}, func(keep func(plog.Logs)) (starter, func(context.Context, plog.Logs) error, error) {
			next, _ := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error { keep(ld); return nil }, capabilities)
			p, err := factory.CreateLogs(ctx, set, cfg, next)
			if err != nil {
				return nil, nil, err
			}
			return p, p.ConsumeLogs, nil
		})
	case "profiles":
		return newSignalPipe(codec[pprofile.Profiles]{
			&pprofile.ProtoUnmarshaler{}, &pprofile.JSONUnmarshaler{}, &pprofile.ProtoMarshaler{}, &pprofile.JSONMarshaler{},
		}, func(keep func(pprofile.Profiles)) (starter, func(context.Context, pprofile.Profiles) error, error) {
			next, _ := xconsumer.NewProfiles(func(_ context.Context, pd pprofile.Profiles) error { keep(pd); return nil }, capabilities)
			p, err := factory.CreateProfiles(ctx, set, cfg, next)
			if err != nil {
				return nil, nil, err
			}
			return p, p.ConsumeProfiles, nil
		})
	}
	return nil, fmt.Errorf("unknown signal %q", signal)
}

type starter interface {
	Start(context.Context, component.Host) error
}

// codec holds a signal's unmarshalers and marshalers; pdata names their methods after the signal.
type codec[T any] struct {
	fromProto, fromJSON, toProto, toJSON any
}

func unmarshal[T any](decoder any, payload []byte) (T, error) {
	var none T
	var value any
	var err error
	switch d := decoder.(type) {
	case ptrace.Unmarshaler:
		value, err = d.UnmarshalTraces(payload)
	case pmetric.Unmarshaler:
		value, err = d.UnmarshalMetrics(payload)
	case plog.Unmarshaler:
		value, err = d.UnmarshalLogs(payload)
	case pprofile.Unmarshaler:
		value, err = d.UnmarshalProfiles(payload)
	}
	if err != nil {
		return none, err
	}
	return value.(T), nil
}

func marshal(encoder, value any) ([]byte, error) {
	switch e := encoder.(type) {
	case ptrace.Marshaler:
		return e.MarshalTraces(value.(ptrace.Traces))
	case pmetric.Marshaler:
		return e.MarshalMetrics(value.(pmetric.Metrics))
	case plog.Marshaler:
		return e.MarshalLogs(value.(plog.Logs))
	case pprofile.Marshaler:
		return e.MarshalProfiles(value.(pprofile.Profiles))
	}
	return nil, fmt.Errorf("no marshaler for %T", value)
}

func newSignalPipe[T any](
	c codec[T],
	create func(keep func(T)) (starter, func(context.Context, T) error, error),
) (*pipe, error) {
	var data, out T
	forwarded := false
	component, consume, err := create(func(value T) { out, forwarded = value, true })
	if err != nil {
		return nil, configError{err}
	}
	if err := component.Start(context.Background(), nil); err != nil {
		return nil, configError{err}
	}
	return &pipe{
		decode: func(payload []byte, asJSON bool) (err error) {
			decoder := c.fromProto
			if asJSON {
				decoder = c.fromJSON
			}
			data, err = unmarshal[T](decoder, payload)
			return err
		},
		process: func(ctx context.Context) error {
			forwarded = false
			return consume(ctx, data)
		},
		encode: func(asJSON bool) ([]byte, error) {
			if !forwarded {
				return nil, nil
			}
			encoder := c.toProto
			if asJSON {
				encoder = c.toJSON
			}
			return marshal(encoder, out)
		},
	}, nil
}

// ask runs one task through the reference. A panic of the reference is an answer like any other.
func ask(task *Task) (answer Answer) {
	defer func() {
		if reason := recover(); reason != nil {
			answer = Answer{Panic: true, ErrorText: fmt.Sprint(reason)}
		}
	}()
	registry := featuregate.GlobalRegistry()
	for _, gate := range task.Gates {
		if err := registry.Set(gate, true); err != nil {
			return Answer{BadInput: true, ErrorText: err.Error()}
		}
		defer func() { _ = registry.Set(gate, false) }()
	}
	p, err := newPipe(task.Processor, task.Signal, task.Config)
	if err != nil {
		if _, refused := err.(configError); refused {
			return Answer{ConfigError: true, ErrorText: err.Error()}
		}
		return Answer{BadInput: true, ErrorText: err.Error()}
	}
	asJSON := task.InputHex == nil
	payload := []byte(task.InputText)
	if !asJSON {
		if payload, err = hex.DecodeString(*task.InputHex); err != nil {
			return Answer{BadInput: true, ErrorText: err.Error()}
		}
	}
	if err := p.decode(payload, asJSON); err != nil {
		return Answer{BadInput: true, ErrorText: err.Error()}
	}
	if err := p.process(task.Metadata.context()); err != nil {
		return Answer{Error: true, ErrorText: err.Error()}
	}
	if asJSON || task.WantJSON {
		output, err := p.encode(true)
		if err != nil {
			return Answer{BadInput: true, ErrorText: err.Error()}
		}
		if output == nil {
			return Answer{Output: json.RawMessage("{}")}
		}
		if utf8.Valid(output) && json.Valid(output) {
			return Answer{Output: json.RawMessage(output)}
		}
	}
	// What JSON cannot say (invalid UTF-8) is recorded as protobuf.
	output, err := p.encode(false)
	if err != nil {
		return Answer{BadInput: true, ErrorText: err.Error()}
	}
	text := hex.EncodeToString(output)
	return Answer{OutputHex: &text}
}

// work answers tasks, one JSON line each, until its input ends.
func work(in io.Reader, out io.Writer) error {
	reader := bufio.NewReader(in)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var task Task
		answer := Answer{}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber() // authentication attributes tell integers from doubles
		if err := decoder.Decode(&task); err != nil {
			answer = Answer{BadInput: true, ErrorText: err.Error()}
		} else {
			answer = ask(&task)
		}
		if _, err := out.Write(encodeLine(answer)); err != nil {
			return err
		}
	}
}

// encodeLine writes one compact JSON line without escaping angle brackets and ampersands.
func encodeLine(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(2)
	}
	return buffer.Bytes()
}
