import XCTest

import Supervisor

/// What Slurm puts into the environment of a job; its documentation (sbatch, OUTPUT ENVIRONMENT VARIABLES) has the forms.
final class SlurmAllocationTests: XCTestCase {
  func testNodeLists() throws {
    for (list, names) in [
      ("node1", ["node1"]), ("node[01-03,07],gpu5", ["node01", "node02", "node03", "node07", "gpu5"]),
      ("n[9-11]", ["n9", "n10", "n11"]), ("n[098-101]", ["n098", "n099", "n100", "n101"]),
      ("r[1-2]n[0-1]", ["r1n0", "r1n1", "r2n0", "r2n1"]), ("a[1]-ib,b", ["a1-ib", "b"]), ("a,b.c.d", ["a", "b.c.d"]),
    ] {
      XCTAssertEqual(try SlurmAllocation.expand(list), names)
    }
    for list in [
      "n[1", "n1]", "n[[1]]", "n[]", "n[2-1]", "n[a-b]", "n[1-]", "n[1-2-3]", "a,,b", "a,a", "n[1-999999999]", "a b",
      "n[1-60000],m[1-60000]", "$(id)",
    ] {
      XCTAssertThrowsError(try SlurmAllocation.expand(list), list)
    }
  }

  func testCounts() throws {
    XCTAssertEqual(try SlurmAllocation.repeated("4(x2),2"), [4, 4, 2])
    XCTAssertEqual(try SlurmAllocation.repeated("16"), [16])
    for text in ["", "4(x2", "4x2", "0", "-1", "4(x0)", "4,,2", "4(x99999999)", "a"] {
      XCTAssertThrowsError(try SlurmAllocation.repeated(text), text)
    }
  }

  func testAJob() throws {
    var environment = [
      "SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "node[01-03]", "SLURM_TASKS_PER_NODE": "4(x2),2",
      "SLURM_JOB_CPUS_PER_NODE": "64(x3)",
    ]
    let job = try Allocation(hostfile: nil, environment: environment)
    XCTAssertEqual(job.source, "Slurm job 77")
    XCTAssertEqual(
      job.hosts,
      [HostSlots(name: "node01", slots: 4), HostSlots(name: "node02", slots: 4), HostSlots(name: "node03", slots: 2)])
    environment["SLURM_TASKS_PER_NODE"] = nil
    XCTAssertEqual(try Allocation(hostfile: nil, environment: environment).hosts.map(\.slots), [64, 64, 64])
    environment["SLURM_JOB_CPUS_PER_NODE"] = nil
    XCTAssertEqual(try Allocation(hostfile: nil, environment: environment).hosts.map(\.slots), [nil, nil, nil])
    environment["SLURM_TASKS_PER_NODE"] = "4(x2)"
    XCTAssertThrowsError(try Allocation(hostfile: nil, environment: environment)) {
      XCTAssertTrue("\($0)".contains("SLURM_TASKS_PER_NODE=4(x2) is for 2 nodes"), "\($0)")
    }
    environment["SLURM_JOB_NODELIST"] = "node[01-"
    XCTAssertThrowsError(try Allocation(hostfile: nil, environment: environment)) {
      XCTAssertTrue("\($0)".hasPrefix("SLURM_JOB_NODELIST=node[01-: "), "\($0)")
    }
  }

  func testWithoutAnyOfThese() throws {
    let allocation = try Allocation(hostfile: nil, environment: [:])
    XCTAssertEqual(allocation.hosts, [HostSlots(name: "localhost", slots: nil)])
  }
}
