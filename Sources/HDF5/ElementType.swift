internal import CHDF5

/// The types of a ``StoredDataset``'s values.
package enum ElementType: CaseIterable {
  case float32, float64, int16, int32, int64, uint8, uint16

  package var name: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .uint16: "uint16"
    }
  }

  package var size: Int {
    switch self {
    case .float32, .int32: 4
    case .float64, .int64: 8
    case .int16, .uint16: 2
    case .uint8: 1
    }
  }

  /// HDF5's name for this machine's representation, in memory and in files written here.
  var native: hid_t {
    switch self {
    case .float32: u2pl_h5t_native_float()
    case .float64: u2pl_h5t_native_double()
    case .int16: u2pl_h5t_native_int16()
    case .int32: u2pl_h5t_native_int32()
    case .int64: u2pl_h5t_native_int64()
    case .uint8: u2pl_h5t_native_uint8()
    case .uint16: u2pl_h5t_native_uint16()
    }
  }
}

extension DatasetValues {
  package var type: ElementType {
    switch self {
    case .float32: .float32
    case .float64: .float64
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .uint8: .uint8
    case .uint16: .uint16
    }
  }
}
