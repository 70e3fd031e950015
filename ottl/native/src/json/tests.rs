use super::*;
use crate::schema::Field as RawField;

fn field(number: u32, field_type: u8, name: &str, json_name: &str) -> RawField {
    RawField {
        number,
        field_type,
        repeated: false,
        message: None,
        oneof: None,
        name: name.into(),
        json_name: json_name.into(),
        enum_values: None,
    }
}

fn list(field: RawField) -> RawField {
    RawField { repeated: true, ..field }
}

fn of(message: u32, field: RawField) -> RawField {
    RawField { message: Some(message), ..field }
}

fn member(field: RawField) -> RawField {
    RawField { oneof: Some(0), ..field }
}

/// Message 0 has a field of each kind, 1 is a value like AnyValue, 2 a list of those, 3 a pair like KeyValue.
fn schema() -> JsonSchema {
    let kinds = vec![
        field(1, types::BYTES, "trace_id", "traceId"),
        field(2, types::STRING, "name", "name"),
        RawField {
            enum_values: Some(vec![("KIND_NONE".into(), 0), ("KIND_TWO".into(), 2)]),
            ..field(3, types::ENUM, "kind", "kind")
        },
        field(4, types::FIXED64, "start_time", "startTime"),
        field(5, types::INT64, "big", "big"),
        field(6, types::UINT32, "count", "count"),
        field(7, types::DOUBLE, "ratio", "ratio"),
        field(8, types::BOOL, "flag", "flag"),
        field(9, types::BYTES, "data", "data"),
        list(field(10, types::DOUBLE, "bounds", "bounds")),
        list(field(11, types::UINT64, "counts", "counts")),
        list(field(12, types::STRING, "keys", "keys")),
        of(1, field(13, types::MESSAGE, "value", "value")),
        list(of(1, field(14, types::MESSAGE, "values", "values"))),
        of(0, field(15, types::MESSAGE, "child", "child")),
        field(16, types::SINT32, "zig", "zig"),
        field(40, types::SFIXED32, "far", "far"),
        list(of(0, field(41, types::MESSAGE, "children", "children"))),
        list(of(3, field(42, types::MESSAGE, "pairs", "pairs"))),
        list(of(3, field(43, types::MESSAGE, "others", "others"))),
    ];
    let value = vec![
        member(field(1, types::STRING, "string_value", "stringValue")),
        member(field(2, types::BOOL, "bool_value", "boolValue")),
        member(field(3, types::INT64, "int_value", "intValue")),
        member(field(4, types::DOUBLE, "double_value", "doubleValue")),
        member(of(2, field(5, types::MESSAGE, "array_value", "arrayValue"))),
        member(field(7, types::BYTES, "bytes_value", "bytesValue")),
    ];
    let array = vec![list(of(1, field(1, types::MESSAGE, "values", "values")))];
    let pair = vec![field(1, types::STRING, "key", "key"), of(1, field(2, types::MESSAGE, "value", "value"))];
    let messages =
        vec![("Kinds".into(), kinds), ("Value".into(), value), ("Array".into(), array), ("Pair".into(), pair)];
    JsonSchema::new(&Schema::new(messages).expect("a valid schema"))
}

fn read(text: &str) -> Result<Vec<u8>> {
    to_protobuf(&schema(), 0, text.as_bytes(), 1000, 100)
}

fn offset(text: impl AsRef<[u8]>) -> usize {
    let done = to_protobuf(&schema(), 0, text.as_ref(), 1000, 100);
    done.expect_err("this text must be refused").offset
}

fn write(bytes: &[u8]) -> Result<String> {
    let text = to_json(&schema(), 0, bytes, 100)?;
    Ok(String::from_utf8(text).expect("JSON is UTF-8"))
}

/// What the text looks like after a round through protobuf.
fn round(text: &str) -> String {
    write(&read(text).expect("a valid text")).expect("a valid message")
}

#[test]
fn every_kind_goes_round_unchanged() {
    let text = r#"{"traceId":"00ff","name":"a\"\\\n\u0001é","kind":2,"startTime":"18446744073709551615","#.to_owned()
        + r#""big":"-9223372036854775808","count":4294967295,"ratio":-0.5,"flag":true,"data":"AAEC","#
        + r#""bounds":[0,1.5,"NaN","Infinity","-Infinity"],"counts":["0","1"],"keys":["","b"],"#
        + r#""value":{"arrayValue":{"values":[{"intValue":"0"},{},{"stringValue":""}]}},"values":[{},{"boolValue":false}],"#
        + r#""child":{},"zig":-2147483648,"far":-1,"children":[{"child":{}}]}"#;
    assert_eq!(round(&text), text);
    let bytes = read(&text).expect("a valid text");
    assert_eq!(read(&write(&bytes).expect("a valid message")), Ok(bytes));
}

#[test]
fn other_spellings_are_accepted() {
    let text = r#" { "trace_id" : "AbCd" , "kind":"KIND_TWO","start_time":7,"big":"+5","count":"1","ratio":"1e3","#
        .to_owned()
        + r#""data":"_-8","far":1.0,"zig":1e1,"bounds":null,"keys":[null],"values":[null],"unknown":[{"a":[1.5,null]}]} "#;
    let plain = r#"{"traceId":"abcd","kind":2,"startTime":"7","big":"5","count":1,"ratio":1000,"data":"/+8=","#
        .to_owned()
        + r#""keys":[""],"values":[{}],"zig":10,"far":1}"#;
    assert_eq!(round(&text), plain);
    assert_eq!(round("null"), "{}");
    assert_eq!(
        round(r#"{"name":"\ud83d\ude00\ud800x\udc00\/\b\f"}"#),
        "{\"name\":\"😀\u{fffd}x\u{fffd}/\\u0008\\u000c\"}"
    );
}

#[test]
fn zeros_stay_only_where_presence_shows() {
    assert_eq!(read(r#"{"count":0,"ratio":0,"name":"","big":"0","flag":false,"data":"","traceId":""}"#), Ok(vec![]));
    assert_eq!(round(r#"{"ratio":-0}"#), r#"{"ratio":-0}"#);
    assert_eq!(round(r#"{"value":{"doubleValue":0}}"#), r#"{"value":{"doubleValue":0}}"#);
}

#[test]
fn repeated_keys_act_as_on_the_wire() {
    assert_eq!(round(r#"{"count":1,"count":0,"name":"a","name":null}"#), r#"{"name":"a"}"#);
    assert_eq!(round(r#"{"counts":[1],"flag":true,"counts":[2]}"#), r#"{"flag":true,"counts":["1","2"]}"#);
    assert_eq!(round(r#"{"child":{"count":1},"child":{"big":2}}"#), r#"{"child":{"big":"2","count":1}}"#);
    assert_eq!(round(r#"{"value":{"intValue":1,"stringValue":"a"}}"#), r#"{"value":{"stringValue":"a"}}"#);
    let text = r#"{"value":{"arrayValue":{"values":[{}]},"intValue":1,"arrayValue":{}}}"#;
    assert_eq!(round(text), r#"{"value":{"arrayValue":{}}}"#);
}

#[test]
fn doubles_are_written_as_go_writes_them() {
    for (value, text) in [
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1.5e-7, "1.5e-07"),
        (1e-6, "0.000001"),
        (123456789012345680000.0, "123456789012345680000"),
        (f64::MAX, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (-0.0, "-0"),
        (9007199254740993.0, "9007199254740992"),
        (7_211_923_104_216_937.0 / 4.0, "1802980776054234.2"),
        (0.1, "0.1"),
    ] {
        let mut bytes = vec![0x39];
        bytes.extend_from_slice(&f64::to_le_bytes(value));
        assert_eq!(write(&bytes), Ok(format!("{{\"ratio\":{text}}}")));
    }
}

#[test]
fn invalid_utf8_becomes_one_replacement_a_byte() {
    let bytes = [0x12, 6, b'a', 0xe2, 0x82, b'b', 0xff, 0xc3];
    assert_eq!(write(&bytes), Ok("{\"name\":\"a\u{fffd}\u{fffd}b\u{fffd}\u{fffd}\"}".into()));
}

#[test]
fn refusals_say_where() {
    assert_eq!(offset(""), 0);
    assert_eq!(offset("[]"), 0);
    assert_eq!(offset("{} x"), 3);
    assert_eq!(offset(r#"{"name":1}"#), 8);
    assert_eq!(offset(r#"{"name":"a" "b":1}"#), 12);
    assert_eq!(offset(r#"{"name":"a",}"#), 12);
    assert_eq!(offset(r#"{"big":1.5}"#), 7);
    assert_eq!(offset(r#"{"big":01}"#), 7);
    assert_eq!(offset(r#"{"big":9223372036854775808}"#), 7);
    assert_eq!(offset(r#"{"big":-9223372036854775809}"#), 7);
    assert_eq!(offset(r#"{"startTime":-1}"#), 13);
    assert_eq!(offset(r#"{"startTime":18446744073709551616}"#), 13);
    assert_eq!(offset(r#"{"startTime":"+1"}"#), 13);
    assert_eq!(offset(r#"{"ratio":1e400}"#), 9);
    assert_eq!(offset(r#"{"x":1e400}"#), 5);
    assert_eq!(offset(r#"{"ratio":NaN}"#), 9);
    assert_eq!(offset(r#"{"kind":"kind_two"}"#), 8);
    assert_eq!(offset(r#"{"traceId":"abc"}"#), 11);
    assert_eq!(offset(r#"{"data":"a"}"#), 8);
    assert_eq!(offset(r#"{"counts":[null]}"#), 11);
    assert_eq!(offset("{\"name\":\"a\nb\"}"), 10);
    assert_eq!(offset(b"{\"name\":\"a\xffb\"}"), 10);
}

#[test]
fn limits_hold() {
    let nested = |n: usize| r#"{"child":"#.repeat(n) + "{}" + &"}".repeat(n);
    let deep = |n: usize, depth| to_protobuf(&schema(), 0, nested(n).as_bytes(), 10_000, depth);
    assert!(deep(100, 100).is_ok());
    assert!(deep(101, 100).is_err());
    let bytes = deep(100, 100).expect("a valid text");
    assert!(to_json(&schema(), 0, &bytes, 100).is_ok());
    assert!(to_json(&schema(), 0, &bytes, 99).is_err());
    assert!(deep(100_000, usize::MAX).is_err());
    let unknown = |n: usize| format!("{{\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert!(read(&unknown(MAX_LEVELS - 1)).is_ok());
    assert!(read(&unknown(MAX_LEVELS)).is_err());
    assert!(read(&"[".repeat(1_000_000)).is_err());
    let many = |n| to_protobuf(&schema(), 0, br#"{"values":[{},{},null]}"#, n, 100);
    assert!(many(3).is_ok());
    assert!(many(2).is_err());
    let mut groups = [0x9b, 6].repeat(100_000);
    assert!(write(&groups).is_err());
    groups.extend_from_slice(&[0x9c, 6].repeat(100_000));
    assert!(write(&groups).is_err());
}

#[test]
fn odd_protobuf_is_read_as_the_parser_reads_it() {
    // Unpacked and packed elements, other fields between them, a group, a wrong wire type, an unknown field.
    let bytes = [0x58, 1, 0x30, 5, 0x5a, 2, 2, 3, 0x9b, 6, 8, 1, 0x9c, 6, 0x12, 1, b'a', 0x10, 7, 0x58, 4];
    assert_eq!(write(&bytes), Ok(r#"{"name":"a","count":5,"counts":["1","2","3","4"]}"#.into()));
    assert!(write(&[0x5a, 2, 2, 0x80]).is_err());
    assert!(write(&[0x52, 7, 0, 0, 0, 0, 0, 0, 0]).is_err());
    // A replaced member of a oneof must be well-formed all the same.
    assert!(write(&[0x6a, 6, 0x2a, 2, 0x0a, 5, 0x18, 1]).is_err());
    assert!(write(&[0x7a, 1, 0x0a, 0x7a, 1, 0x00]).is_err());
}

#[test]
fn fields_in_any_order_are_written_in_that_of_the_descriptor() {
    let members = [
        r#""name":"a""#,
        r#""count":5"#,
        r#""data":"AAEC""#,
        r#""counts":["1","2"]"#,
        r#""value":{"stringValue":"b"}"#,
        r#""zig":-3"#,
    ];
    let pieces: Vec<Vec<u8>> = members.iter().map(|member| read(&format!("{{{member}}}")).expect("valid")).collect();
    let long = read(&format!(r#"{{"traceId":"{}"}}"#, "0a".repeat(5000))).expect("valid");
    for order in 0..6usize.pow(6) {
        let ranks: Vec<usize> = (0..6).map(|at| order / 6usize.pow(at) % 6).collect();
        if (0..6).any(|rank| !ranks.contains(&rank)) {
            continue;
        }
        let mut bytes: Vec<u8> = ranks.iter().flat_map(|&rank| pieces[rank].clone()).collect();
        assert_eq!(write(&bytes), Ok(format!("{{{}}}", members.join(","))), "{ranks:?}");
        // A zero that does not stay, an unknown field, a value that comes twice, and a long one before a late one.
        bytes.extend([0x38, 0, 0x90, 3, 1]);
        bytes.extend(&pieces[1]);
        bytes.splice(0..0, long.clone());
        let text = write(&bytes).expect("valid bytes");
        assert!(text.ends_with(&format!(r#"",{}}}"#, members.join(","))), "{ranks:?}");
    }
    let late = |first: &[u8]| write(&[first, &pieces[0]].concat()).expect("valid bytes");
    assert_eq!(late(&[0x30, 0]), r#"{"name":"a"}"#);
    let counts = read(&format!(r#"{{"counts":[{}1]}}"#, "1,".repeat(5000))).expect("valid");
    assert!(late(&counts).starts_with(r#"{"name":"a","counts":["1","1","#));
}

#[test]
fn pairs_that_begin_like_those_before_are_read_and_written_as_alone() {
    let first = r#"{"key":"a","value":{"stringValue":"b"}}"#;
    let long = format!(r#"{{"key":"a","value":{{"stringValue":"{}"}}}}"#, "x".repeat(300));
    let others = [
        first,
        &long,
        r#"{"key":"a","value":{"stringValue":""}}"#,
        r#"{"key":"a","value":{"stringValue":"\u0041\n"}}"#,
        r#"{"key":"a","value":{"stringValue":"b" }}"#,
        r#"{"key":"a","value":{"stringValue":"b"},"key":"c"}"#,
        r#"{"key":"a","value":{"stringValue":"b","intValue":"1"}}"#,
        r#"{"key":"a","value":{"stringValue":null}}"#,
        r#"{"key":"a","value":{"intValue":"1"}}"#,
        r#"{"key":"a","value":{"intValue":1e3}}"#,
        r#"{"key":"a","value":{"intValue":17}}"#,
        r#"{"key":"a","value":{"intValue":"-17"}}"#,
        r#"{"key":"a","value":{"intValue":"0017"}}"#,
        r#"{"key":"a","value":{"intValue":"9223372036854775807"}}"#,
        r#"{"key":"a","value":{"doubleValue":-2.25}}"#,
        r#"{"key":"a","value":{"stringValue":"é and a text of more than sixteen bytes"}}"#,
        r#"{"key":"a","value":{"bytesValue":"AAEC"}}"#,
        r#"{"key":"a","value":{"arrayValue":{"values":[{}]}}}"#,
        r#"{"key":"a","value":{}}"#,
        r#"{"key":"a"}"#,
        r#"{"key":"","value":{"boolValue":false}}"#,
        r#"{"value":{"boolValue":false},"key":"a"}"#,
        r#"{"key":"\u0041","value":{"boolValue":true}}"#,
        "null",
        "{}",
    ];
    // Behind the last of them is room for looking at whole blocks, or none.
    let behind = format!(r#"{{"key":"b","value":{{"stringValue":"{}"}}}}"#, "y".repeat(200));
    let alone = |pair: &str| read(&format!(r#"{{"pairs":[{pair}]}}"#)).expect("a valid text");
    for other in others {
        let mut pairs = vec![first, other, other, first, other];
        for _ in 0..2 {
            let rows: Vec<String> = pairs.iter().map(|pair| format!(r#"{{"pairs":[{pair}]}}"#)).collect();
            let text = format!(r#"{{"children":[{}]}}"#, rows.join(","));
            let bytes = read(&text).expect("a valid text");
            let mut wanted = Vec::new();
            for pair in &pairs {
                wire::put_bytes(&mut wanted, 41, &alone(pair));
            }
            assert_eq!(bytes, wanted, "{other}");
            let one = |pair: &&str| write(&alone(pair)).expect("valid bytes");
            let all = pairs.iter().map(one).collect::<Vec<_>>().join(",");
            assert_eq!(write(&bytes), Ok(format!(r#"{{"children":[{all}]}}"#)), "{other}");
            pairs.push(&behind);
        }
    }
    // The same pairs in two fields: a tag of each, one text.
    let both = format!(r#"{{"pairs":[{first},{first}],"others":[{first},{first}]}}"#);
    let mut wanted = alone(first).repeat(2);
    let other = read(&format!(r#"{{"others":[{first}]}}"#)).expect("a valid text");
    wanted.extend(other.repeat(2));
    assert_eq!(read(&both), Ok(wanted.clone()));
    assert_eq!(write(&wanted), Ok(both));
    let refused = |pair: &str| offset(format!(r#"{{"pairs":[{first}],"children":[{{"pairs":[{pair}]}}]}}"#));
    let before = format!(r#"{{"pairs":[{first}],"children":[{{"pairs":["#).len();
    assert_eq!(refused(r#"{"key":"a","value":{"stringValue":1}}"#), before + 34);
    assert_eq!(refused(r#"{"key":"a","value":{"stringValue":"b"]}"#), before + 37);
    assert_eq!(refused(r#"{"key":"a","value":{"stringValue":"b"}]"#), before + 38);
    let many = |n| {
        to_protobuf(
            &schema(),
            0,
            format!(r#"{{"pairs":[{first}],"children":[{{"pairs":[{first}]}}]}}"#).as_bytes(),
            n,
            100,
        )
    };
    assert!(many(5).is_ok());
    assert!(many(4).is_err());
}

/// A small generator of bits, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

#[test]
fn mutated_input_never_panics_and_what_is_read_can_be_written() {
    const PIECES: [&str; 24] = [
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "1e3",
        "-0",
        "01",
        "1e400",
        "\\ud800",
        "\\u0041",
        " ",
        "\"x\":1,",
        "\"count\":1,",
        "18446744073709551616",
        "\"NaN\"",
        "\"child\":{},",
        "é",
        "\u{1}",
    ];
    let schema = schema();
    let seed = r#"{"traceId":"00ff","name":"a\"\\b","kind":2,"big":"-9","ratio":-0.5,"flag":true,"data":"AAEC","bounds":[0,1.5],"#
        .to_owned()
        + r#""value":{"arrayValue":{"values":[{"intValue":"0"},{}]}},"values":[{},{"boolValue":false}],"children":[{"child":{}}]"#
        + r#","pairs":[{"key":"a","value":{"stringValue":"b"}},{"key":"c","value":{"intValue":"1"}}],"children":[{"pairs":"#
        + r#"[{"key":"a","value":{"stringValue":""}},{"key":"c","value":{"intValue":"-1"}},{"key":"c","value":{}}]}]}"#;
    let wire = to_protobuf(&schema, 0, seed.as_bytes(), 1000, 100).expect("a valid text");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut read = 0;
    for _ in 0..20_000 {
        let mut text = seed.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = random.below(256) as u8,
                1 => text.truncate(at.max(1)),
                _ => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            }
        }
        let found = to_protobuf(&schema, 0, &text, 1000, 100);
        assert_eq!(found, to_protobuf(&self::schema(), 0, &text, 1000, 100), "whatever was learned before");
        if let Ok(bytes) = found {
            read += 1;
            let again = to_json(&schema, 0, &bytes, 100).expect("what was read can be written");
            let bytes = to_protobuf(&schema, 0, &again, 1000, 100).expect("what was written can be read");
            assert_eq!(to_json(&schema, 0, &bytes, 100), Ok(again));
        }
        let mut bytes = wire.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.below(256) as u8),
            }
        }
        let found = to_json(&schema, 0, &bytes, 100);
        assert_eq!(found, to_json(&self::schema(), 0, &bytes, 100), "whatever was learned before");
        if let Ok(text) = found {
            to_protobuf(&schema, 0, &text, 1000, 100).expect("what was written can be read");
        }
    }
    assert!(read > 1000);
}
