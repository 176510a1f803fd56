// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import HTTPTypes
import Logging
import Sparsity

@testable import MaskAPI
@testable import MicroHTTP
@testable import TensorIO

/// Requests of the Open Inference Protocol, from the body's bytes to the reply's.
///
/// The first byte of an input chooses the model and how the length of the JSON part is told, the
/// rest of its first line is the query, what follows is the body. The byte 0x1e stands between a
/// JSON part and binary data and is left out.
///
/// - The pieces that a body comes in change neither its answer nor its fault.
/// - No request is answered with a fault of the service's own.
/// - A reply is whole: JSON, tensors as long as their shapes say, masks of zeros and ones.
func fuzzInference(_ input: UnsafeRawBufferPointer) {
  guard let first = input.first else { return }
  var choices = Choices(of: input)
  let model = InferenceModel.allCases[Int(first & 3)]
  let text = input.dropFirst()
  let lineEnd = text.firstIndex(of: UInt8(ascii: "\n")) ?? text.endIndex
  let query = String(decoding: text[..<lineEnd], as: UTF8.self)
  var body = Array(text[lineEnd...].dropFirst())
  var headers: HTTPFields = [:]
  switch first >> 2 & 3 {
  case 0: break
  case 1: headers[.inferenceHeaderLength] = "0"
  case 2: headers[.inferenceHeaderLength] = String(choices.below(body.count + 2))
  default:
    let mark = body.firstIndex(of: 0x1e) ?? body.endIndex
    headers[.inferenceHeaderLength] = String(mark)
    if mark < body.endIndex { body.remove(at: mark) }
  }
  let target = "/v2/models/\(model.rawValue)/infer?\(query)"
  guard
    let request = try? Request(method: .post, target: target, headers: headers, isChunked: true)
  else { return }

  body.withUnsafeBytes { body in
    let whole = answer(request, model, body, .none)
    let pieces = answer(request, model, body, .some(body.count, &choices))
    switch (whole, pieces) {
    case (.success(let left), .success(let right)):
      require(left.status == right.status, "pieces have the status of the whole")
      // A gradient without a seed is drawn anew.
      if model != .unbiasedGradient {
        require(bytes(of: left) == bytes(of: right), "pieces have the answer of the whole")
      }
      checkReply(left)
    case (.failure(let left), .failure(let right)):
      require(
        left.status == right.status && left.detail == right.detail
          && left.pointer == right.pointer,
        "pieces have the fault of the whole: \(left.detail) \(right.detail)"
      )
      require(left.status.code < 500 || left.status == .notImplemented, "\(left.detail)")
    default: refute("pieces are taken where the whole is", #line)
    }
  }
}

/// One service for all inputs, with limits that keep each of them small.
private let service: MaskService = {
  var configuration = ServiceConfiguration(threads: 1)
  configuration.maximumBody = 1 << 15
  configuration.maximumJSONBody = 1 << 13
  return MaskService(
    configuration: configuration,
    logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
  )
}()

/// A connection whose client waits.
private let connection: Connection = {
  var ends: [Int32] = [-1, -1]
  let status = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
  require(status == 0, "there are sockets")
  return Connection(socket: ends[0], remoteAddress: "unix", isSecure: false, deadline: .max)
}()

private func answer(
  _ request: Request,
  _ model: InferenceModel,
  _ body: UnsafeRawBufferPointer,
  _ cuts: Cuts
) -> Result<Response, Problem> {
  let context = RequestContext(
    service: service,
    connection: connection,
    record: RequestRecord(id: "1", route: "fuzz", traceParent: nil, count: RequestCount()),
    path: request.path,
    extraFields: [:]
  )
  do throws(Problem) {
    let consumer = try InferenceBody(request, model, context)
    do throws(Problem) {
      try cuts.pieces(of: body) { (piece) throws(Problem) in try consumer.consume(piece) }
      return .success(try consumer.finish())
    } catch {
      consumer.cancel()
      throw error
    }
  } catch {
    return .failure(error)
  }
}

private func bytes(of response: Response) -> [UInt8] {
  if case .bytes(let bytes) = response.body { return bytes }
  return []
}

private func checkReply(_ response: Response) {
  let body = bytes(of: response)
  let length = response.headers[.inferenceHeaderLength].flatMap { Int($0) } ?? body.count
  guard length <= body.count else { refute("the JSON part is in the body", #line) }
  var scanner = JSONScanner()
  guard (try? scanner.consume(Array(body[..<length]))) != nil,
    case .object(let reply)? = try? scanner.finish(),
    case .array(let outputs)? = reply["outputs"]
  else { refute("a reply is JSON", #line) }
  var end = length
  for output in outputs {
    guard case .object(let output) = output, case .numbers(let extents)? = output["shape"],
      case .string(let name)? = output["name"], case .string(let datatype)? = output["datatype"]
    else { refute("an output has a name, a datatype and a shape", #line) }
    let count = extents.values.reduce(1) { $0 * Int($1) }
    if case .numbers(let data)? = output["data"] {
      require(data.values.count == count, "'data' is as long as the shape says")
      require(name != "mask" || data.leaf != .number, "a mask is of booleans")
      continue
    }
    guard case .object(let parameters)? = output["parameters"],
      case .number(let size)? = parameters["binary_data_size"], let size = size.int
    else { refute("an output has data", #line) }
    let width = datatype == "BOOL" ? 1 : datatype == "FP32" ? 4 : 8
    require(size == count * width && end + size <= body.count, "binary data fit their shape")
    if name == "mask" {
      require(body[end..<(end + size)].allSatisfy { $0 < 2 }, "a mask is of zeros and ones")
    }
    end += size
  }
  require(end == body.count, "nothing follows the tensors")
}
