import Configuration
import Foundation

/// The encoder's learning rate over a run of K steps: a polynomial or a cosine down to 0, times a linear warm-up.
package struct LearningRate {
  private let settings: Configuration.Optimizer
  private let totalSteps: Int

  package init(_ settings: Configuration.Optimizer, totalSteps: Int) {
    self.settings = settings
    self.totalSteps = totalSteps
  }

  /// In step k, counted from 0.
  package func callAsFunction(step k: Int) -> Double {
    let progress = Double(k) / Double(totalSteps)
    let scheduled =
      switch settings.schedule {
      case .poly: settings.learningRate * pow(1 - progress, settings.power)
      case .cosine: settings.learningRate * (1 + cos(.pi * progress)) / 2
      }
    return k < settings.warmupSteps ? scheduled * Double(k + 1) / Double(settings.warmupSteps) : scheduled
  }
}
