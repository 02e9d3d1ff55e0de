import Streaming
import Testing

struct ExpositionWriterTests {
  private func text(_ format: ExpositionWriter.Format, _ body: (inout ExpositionWriter) -> Void) -> String {
    var writer = ExpositionWriter(format)
    body(&writer)
    writer.finish()
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func `a counter's family has its samples' name in the text format, and its own in OpenMetrics`() {
    let write = { (writer: inout ExpositionWriter) in
      writer.family(.counter, "sheep_bytes", unit: "bytes", "Bytes.")
      writer.sample([("model", "a/b")], 5)
    }
    #expect(
      text(.text, write) == """
        # HELP sheep_bytes_total Bytes.
        # TYPE sheep_bytes_total counter
        sheep_bytes_total{model="a/b"} 5

        """)
    #expect(
      text(.openMetrics, write) == """
        # HELP sheep_bytes Bytes.
        # TYPE sheep_bytes counter
        # UNIT sheep_bytes bytes
        sheep_bytes_total{model="a/b"} 5
        # EOF

        """)
  }

  @Test func `constant labels are an info in OpenMetrics, for which the text format has a gauge`() {
    let write = { (writer: inout ExpositionWriter) in
      writer.family(.info, "sheep_build", "What runs.")
      writer.sample([("version", "1")], 1)
    }
    #expect(text(.text, write).contains("# TYPE sheep_build_info gauge\nsheep_build_info{version=\"1\"} 1\n"))
    #expect(text(.openMetrics, write).contains("# TYPE sheep_build info\nsheep_build_info{version=\"1\"} 1\n"))
  }

  @Test(arguments: [ExpositionWriter.Format.text, .openMetrics])
  func `a label's quotes, backslashes and newlines are escaped, and nothing else is`(format: ExpositionWriter.Format) {
    let text = text(format) {
      $0.family(.gauge, "g", "G.")
      $0.sample([("a", "\"\\\n"), ("b", "ü}{,= \t")], 1)
    }
    #expect(text.contains(#"g{a="\"\\\n",b="ü}{,= "# + "\t\"} 1\n"))
  }

  @Test(arguments: [ExpositionWriter.Format.text, .openMetrics])
  func `a histogram has a bucket for each bound and one for all, the sum and the count`(
    format: ExpositionWriter.Format
  ) {
    var histogram = LatencyHistogram(milliseconds: [
      2.5, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000, 60_000,
    ])
    histogram.record(1_000_000)
    histogram.record(90_000_000_000)
    let lines = text(format) {
      $0.family(.histogram, "h_seconds", unit: "seconds", "H.")
      $0.sample([("model", "m")], histogram)
    }.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(lines.count == 15)
    #expect(lines[0] == #"h_seconds_bucket{model="m",le="0.0025"} 1"#)
    #expect(lines[1] == #"h_seconds_bucket{model="m",le="1.0"} 1"#)
    #expect(lines[12] == #"h_seconds_bucket{model="m",le="+Inf"} 2"#)
    #expect(lines[13] == #"h_seconds_sum{model="m"} 90.001"#)
    #expect(lines[14] == #"h_seconds_count{model="m"} 2"#)
  }

  @Test func `a sample without labels has no braces, and a number keeps its digits`() {
    let text = text(.text) {
      $0.family(.gauge, "g", "G.")
      $0.sample([], 0.0000458)
      $0.sample([], 1_795_829_571.25)
      $0.sample([], Double.infinity)
    }
    #expect(text.hasSuffix("\ng 4.58e-05\ng 1795829571.25\ng +Inf\n"))
  }
}
