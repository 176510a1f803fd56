// SPDX-License-Identifier: GPL-3.0-or-later

import HTTPTypes
import MicroHTTP

/// `GET /`: what this is, and a command to try.
struct StartPageRoute: Route {
  let path = "/"
  let methods: [HTTPRequest.Method] = [.get]

  func begin(_ request: Request, _ context: RequestContext) throws(Problem) -> RequestDecision {
    try ParameterSet(queryOf: request).allowOnly([])
    let scheme = request.isSecure ? "https" : "http"
    let host = request.headers[HTTPField.Name("Host")!].flatMap { Self.isHost($0) ? $0 : nil }
    let text = Self.text(base: "\(scheme)://\(host ?? "localhost:8080")")
    return .respond(
      context.finish(
        Response(
          status: .ok,
          headers: [.contentType: "text/plain; charset=utf-8"],
          body: .bytes(Array(text.utf8))
        )
      )
    )
  }

  /// Whether the Host field can be pasted into a shell as it is.
  private static func isHost(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
          UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
          true
        default: false
        }
      }
  }

  private static func text(base: String) -> String {
    """
    \(Engine.name): N:M sparsity masks, with a proof of how good they are.

    n is the number KEPT in each group of m. Try the best transposable 2:4 mask of a 4 x 4 matrix:

    curl \(base)/v1/masks -d '{"n": 2, "m": 4, "weights": [[15, 5, 12, 13], [10, 16, 9, 6], [7, 4, 1, 11], [3, 8, 2, 14]]}'

    A .npy file of weights, its mask as a .npy file of booleans:

    curl '\(base)/v1/masks?n=2&m=4' -H 'Accept: application/x-npy' --data-binary @weights.npy -o mask.npy

    POST /v1/masks           masks, as JSON, .npy or packed bits
    POST /v1/models/masks    masks of a whole model, from safetensors
    POST /v1/masks/validate  whether a mask obeys a pattern
    POST /v1/compress        a 2:4 matrix in the hardware's layout; /v1/decompress undoes it
    POST /v1/gradients       unbiased sparse gradients of minimum variance
    GET  /v1/diversity       how many masks a pattern allows
    GET  /v2                 the same for clients of inference servers
    GET  /openapi.yaml       all of it in detail

    """
  }
}
