// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import Sparsity
import TensorIO

/// The JSON part of an inference request, checked against its model.
struct InferenceRequest {
  /// How the input's elements are sent.
  enum Data {
    /// Behind the JSON part, in so many bytes.
    case binary(byteCount: Int)
    /// In the JSON part.
    case json(NumericArray)
  }

  /// An output that is asked for.
  struct Output {
    let name: String
    let isBinary: Bool
  }

  /// The client's name for the request.
  let id: String?
  let header: MatrixHeader
  let dataType: DataType
  let data: Data
  let outputs: [Output]
  let parameters: ParameterSet

  /// Reads the JSON part.
  ///
  /// - Throws: 400 for what the protocol does not have, 422 for a tensor that the model cannot take.
  init(_ value: JSONValue, _ model: InferenceModel) throws(Problem) {
    guard case .object(let document) = value else {
      throw Problem(.badRequest, "The request must be a JSON object, not \(value.kindName).")
    }
    try document.allowOnly(["id", "inputs", "outputs", "parameters"], at: "")
    id = try document.string("id", at: "")
    var ownParameters: [JSONObject.Member] = []
    var answersBinary = false
    for member in try document.object("parameters", at: "")?.members ?? [] {
      switch member.name {
      case "binary_data_output":
        answersBinary = try member.value.boolean(at: "/parameters/binary_data_output")
      // Hints to a scheduler, which change no result.
      case "priority", "timeout": break
      default: ownParameters.append(member)
      }
    }
    var parameters = ParameterSet()
    do {
      try parameters.add(JSONObject(members: ownParameters))
      try parameters.allowOnly(model.parameterNames)
    } catch {
      throw error.moved(below: "/parameters")
    }
    self.parameters = parameters

    let input = try Self.onlyInput(document, model)
    (header, dataType) = try Self.header(input, model)
    data = try Self.data(input, header, model)
    outputs = try Self.outputs(document, model, isBinary: answersBinary)
  }

  private static func onlyInput(
    _ document: JSONObject,
    _ model: InferenceModel
  ) throws(Problem) -> JSONObject {
    let name = model.input.name
    guard let inputs = try document.objects("inputs", at: ""), !inputs.isEmpty else {
      throw Problem(
        .badRequest,
        "'inputs' must be an array with the tensor '\(name)'.",
        pointer: "/inputs"
      )
    }
    guard inputs.count == 1 else {
      throw Problem(
        .badRequest,
        "The model takes one input, '\(name)', not \(inputs.count).",
        pointer: "/inputs"
      )
    }
    let input = inputs[0]
    try input.allowOnly(["name", "shape", "datatype", "parameters", "data"], at: "/inputs/0")
    let given = try input.string("name", at: "/inputs/0")
    guard given == name else {
      throw Problem(
        .badRequest,
        "The model's input is '\(name)', not '\(given ?? "")'.",
        pointer: "/inputs/0/name"
      )
    }
    return input
  }

  private static func header(
    _ input: JSONObject,
    _ model: InferenceModel
  ) throws(Problem) -> (MatrixHeader, DataType) {
    guard let datatype = try input.string("datatype", at: "/inputs/0") else {
      throw Problem(.badRequest, "The input has no 'datatype'.", pointer: "/inputs/0/datatype")
    }
    guard let type = InferenceDatatype.dataType(datatype) else {
      throw Problem(
        .unprocessableContent,
        "The datatype '\(datatype)' is not one that the model takes: \(InferenceDatatype.list).",
        pointer: "/inputs/0/datatype"
      )
    }
    guard let shape = input["shape"]?.extents else {
      throw Problem(
        .badRequest,
        "'shape' must be an array of whole numbers from 0 on.",
        pointer: "/inputs/0/shape"
      )
    }
    guard shape.count == 2 else {
      throw Problem(
        .unprocessableContent,
        "'\(model.input.name)' must be a matrix, with 2 dimensions; this tensor has "
          + "\(shape.count).",
        pointer: "/inputs/0/shape"
      )
    }
    return (MatrixHeader(element: .numeric(type), rows: shape[0], columns: shape[1]), type)
  }

  private static func data(
    _ input: JSONObject,
    _ header: MatrixHeader,
    _ model: InferenceModel
  ) throws(Problem) -> Data {
    let parameters = try input.object("parameters", at: "/inputs/0")
    try parameters?.allowOnly(["binary_data_size"], at: "/inputs/0/parameters")
    switch (parameters?["binary_data_size"], input["data"]) {
    case (nil, nil):
      throw Problem(
        .badRequest,
        "The input has neither 'data' nor 'binary_data_size'.",
        pointer: "/inputs/0/data"
      )
    case (.some, .some):
      throw Problem(
        .badRequest,
        "The input has both 'data' and 'binary_data_size'.",
        pointer: "/inputs/0/data"
      )
    case (.number(let number)?, nil):
      guard let size = number.int, size >= 0 else { break }
      guard size == header.byteCount else {
        throw Problem(
          .badRequest,
          "'binary_data_size' is \(size) bytes, but the shape and datatype need "
            + "\(header.byteCount.map(String.init) ?? "more than can be addressed").",
          pointer: "/inputs/0/parameters/binary_data_size"
        )
      }
      return .binary(byteCount: size)
    case (.some, nil): break
    case (nil, .numbers(let array)?):
      return .json(try checked(array, header, model))
    case (nil, let other?):
      throw Problem(
        .badRequest,
        "'data' must be an array of numbers, not \(other.kindName).",
        pointer: "/inputs/0/data"
      )
    }
    throw Problem(
      .badRequest,
      "'binary_data_size' must be a whole number from 0 on.",
      pointer: "/inputs/0/parameters/binary_data_size"
    )
  }

  /// The elements, flat or nested as the shape says.
  private static func checked(
    _ array: NumericArray,
    _ header: MatrixHeader,
    _ model: InferenceModel
  ) throws(Problem) -> NumericArray {
    if let irregularity = array.irregularity {
      throw Problem(TensorError.irregular(irregularity), field: "data").moved(below: "/inputs/0")
    }
    let shape = [header.rows, header.columns]
    let count = TensorIndex.elementCount(of: shape)
    guard array.values.count == count else {
      throw Problem(
        .badRequest,
        "'data' has \(array.values.count) elements, but the shape \(shape) needs "
          + "\(count.map(String.init) ?? "more than can be addressed").",
        pointer: "/inputs/0/data"
      )
    }
    guard array.shape.count == 1 || array.shape == shape else {
      throw Problem(
        .badRequest,
        "'data' is nested as \(array.shape), which contradicts the shape \(shape).",
        pointer: "/inputs/0/data"
      )
    }
    guard array.leaf != .boolean else {
      throw .booleans(model.input.name, pointer: "/inputs/0/data")
    }
    return array
  }

  private static func outputs(
    _ document: JSONObject,
    _ model: InferenceModel,
    isBinary: Bool
  ) throws(Problem) -> [Output] {
    let names = model.outputs.map(\.name)
    guard let requested = try document.objects("outputs", at: ""), !requested.isEmpty else {
      return names.map { Output(name: $0, isBinary: isBinary) }
    }
    var outputs: [Output] = []
    for (index, object) in requested.enumerated() {
      let place = "/outputs/\(index)"
      try object.allowOnly(["name", "parameters"], at: place)
      let name = try object.string("name", at: place) ?? ""
      guard names.contains(name) else {
        throw Problem(
          .badRequest,
          "The model has no output '\(name)'; it has: \(names.joined(separator: ", ")).",
          pointer: place + "/name"
        )
      }
      guard !outputs.contains(where: { $0.name == name }) else {
        throw Problem(
          .badRequest,
          "The output '\(name)' is asked for twice.",
          pointer: place + "/name"
        )
      }
      let parameters = try object.object("parameters", at: place)
      try parameters?.allowOnly(["binary_data"], at: place + "/parameters")
      let choice = parameters?["binary_data"]
      let own: Bool? =
        if let choice {
          try choice.boolean(at: place + "/parameters/binary_data")
        } else {
          nil
        }
      outputs.append(Output(name: name, isBinary: own ?? isBinary))
    }
    return outputs
  }
}
