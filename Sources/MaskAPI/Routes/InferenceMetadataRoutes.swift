// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP
import TensorIO

/// `GET /v2` and `/v2/health/...`: what the server is, and whether it takes work.
struct InferenceServerRoute: Route {
  enum Answer { case metadata, live, ready }

  let path: String
  let answer: Answer
  let methods: [HTTPRequest.Method] = [.get]
  var needsToken: Bool { answer == .metadata }

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    if answer == .ready, context.service.isDraining {
      throw Problem(
        .serviceUnavailable,
        "The service is stopping.",
        headers: [.retryAfter: "1"]
      )
    }
    var writer = JSONWriter()
    writer.beginObject()
    switch answer {
    case .metadata:
      writer.member("name", "nmmask")
      writer.member("version", Engine.version)
      writer.name("extensions")
      writer.beginArray()
      for name in ["binary_tensor_data", "model_configuration", "statistics"] {
        writer.value(name)
      }
      writer.endArray()
    case .live: writer.member("live", true)
    case .ready: writer.member("ready", true)
    }
    writer.endObject()
    return .respond(context.finish(.json(writer.bytes)))
  }
}

/// `POST /v2/repository/index`: the models there are, all of them always ready.
struct InferenceRepositoryRoute: Route {
  let path = "/v2/repository/index"
  let methods: [HTTPRequest.Method] = [.post]
  let isWork = false

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    var writer = JSONWriter()
    writer.beginArray()
    for model in InferenceModel.allCases {
      writer.beginObject()
      writer.member("name", model.rawValue)
      writer.member("version", InferenceModel.version)
      writer.member("state", "READY")
      writer.member("reason", "")
      writer.endObject()
    }
    writer.endArray()
    // The body could ask for the models that are ready alone, which makes no difference here.
    return .respond(context.finish(.json(writer.bytes)))
  }
}

/// `GET /v2/models/{model}/...`: what a model is, takes and returns, and what it has done.
struct InferenceModelRoute: Route {
  enum Answer { case metadata, ready, configuration, statistics }

  let path: String
  let answer: Answer
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    let model = try InferenceModel.named(
      segment("model", of: request),
      version: segment("version", of: request)
    )
    var writer = JSONWriter()
    writer.beginObject()
    switch answer {
    case .metadata: metadata(model, &writer)
    case .ready:
      writer.member("name", model.rawValue)
      writer.member("ready", true)
    case .configuration: configuration(model, &writer)
    case .statistics: statistics(model, context.service.inferenceStatistics, &writer)
    }
    writer.endObject()
    return .respond(context.finish(.json(writer.bytes)))
  }

  private func metadata(_ model: InferenceModel, _ writer: inout JSONWriter) {
    writer.member("name", model.rawValue)
    writer.name("versions")
    writer.beginArray()
    writer.value(InferenceModel.version)
    writer.endArray()
    writer.member("platform", "nmmask")
    ports("inputs", [model.input], &writer) { $0.datatype }
    ports("outputs", model.outputs, &writer) { $0.datatype }
  }

  /// What a client needs of Triton's model configuration.
  private func configuration(_ model: InferenceModel, _ writer: inout JSONWriter) {
    writer.member("name", model.rawValue)
    writer.member("platform", "nmmask")
    writer.member("backend", "nmmask")
    writer.member("max_batch_size", 0)
    ports("input", [model.input], &writer, isConfiguration: true) { "TYPE_" + $0.datatype }
    ports("output", model.outputs, &writer, isConfiguration: true) { "TYPE_" + $0.datatype }
  }

  private func ports(
    _ name: String,
    _ ports: [InferenceModel.Port],
    _ writer: inout JSONWriter,
    isConfiguration: Bool = false,
    datatype: (InferenceModel.Port) -> String
  ) {
    writer.name(name)
    writer.beginArray()
    for port in ports {
      writer.beginObject()
      writer.member("name", port.name)
      writer.member(isConfiguration ? "data_type" : "datatype", datatype(port))
      writer.member(isConfiguration ? "dims" : "shape", port.shape)
      writer.endObject()
    }
    writer.endArray()
  }

  private func statistics(
    _ model: InferenceModel,
    _ statistics: InferenceStatistics,
    _ writer: inout JSONWriter
  ) {
    let succeeded = statistics.tally(model, succeeded: true)
    let failed = statistics.tally(model, succeeded: false)
    writer.name("model_stats")
    writer.beginArray()
    writer.beginObject()
    writer.member("name", model.rawValue)
    writer.member("version", InferenceModel.version)
    writer.member("inference_count", succeeded.count)
    writer.member("execution_count", succeeded.count)
    writer.name("inference_stats")
    writer.beginObject()
    for (name, tally) in [("success", succeeded), ("fail", failed)] {
      writer.name(name)
      writer.beginObject()
      writer.member("count", tally.count)
      writer.member("ns", tally.duration.nanoseconds)
      writer.endObject()
    }
    writer.endObject()
    writer.endObject()
    writer.endArray()
  }
}
