// SPDX-License-Identifier: GPL-3.0-or-later

import CGLPK
import Testing

@testable import Sparsity

/// What the laws of all methods, in `PropertyTests`, do not ask of this one.
struct MinimumCostFlowTests {
  @Test("An error inside GLPK is a status with its words, and the next tile is solved")
  func errors() {
    var message = [CChar](repeating: 0, count: 256)
    var kept = [UInt8](repeating: 0, count: 4)
    var u = [0.0, 0.0]
    var v = u
    for _ in 0..<3 {
      // A graph without vertices is one of the checks that end a process unless they are caught.
      let failed = cglpk_solve_tile(1, 0, 0, 4, [], &kept, &u, &v, &message, message.count)
      #expect(failed == Int32(CGLPK_ERROR.rawValue))
      let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
      #expect(text.contains("vertices"))

      let solved = cglpk_solve_tile(1, 2, 0, 4, [4, 1, 2, 3], &kept, &u, &v, &message, 256)
      #expect(solved == Int32(CGLPK_OPTIMAL.rawValue))
      #expect(kept == [1, 0, 0, 1])
    }
    cglpk_release()
  }
}
