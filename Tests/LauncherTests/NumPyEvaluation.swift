/// Evaluation a second time, in NumPy and from `docs/evaluation.md`, but for the network itself: `views` makes what the
/// network gets to see, `counts` makes the confusion matrix of what it has answered. All arithmetic is in float32 and in
/// the order that the page gives, so that results agree to the last count.
let numPyEvaluation = """
  import h5py, json, numpy as np, sys
  f32 = np.float32
  step, images, views, logits, settings, out = sys.argv[1:7]
  s = json.loads(settings)

  def axis(source, target):
      i = np.arange(target)
      at, steps = i * (source - 1), max(target - 1, 1)
      low = at // steps
      return low, np.minimum(low + 1, source - 1), (at % steps / steps).astype(f32)

  def resize_image(x, height, width):
      if x.shape[:2] == (height, width): return x
      t, b, fy = axis(x.shape[0], height)
      l, r, fx = axis(x.shape[1], width)
      fy, fx, one = fy[:, None, None], fx[None, :, None], f32(1)
      wa, wb, wc, wd = (one - fy) * (one - fx), (one - fy) * fx, fy * (one - fx), fy * fx
      return x[t][:, l] * wa + x[t][:, r] * wb + x[b][:, l] * wc + x[b][:, r] * wd

  def resize_logits(x, height, width):
      if x.shape[1:] == (height, width): return x
      t, b, fy = axis(x.shape[1], height)
      l, r, fx = axis(x.shape[2], width)
      fy, fx, one = fy[None, :, None], fx[None, None, :], f32(1)
      x = x[:, t] * (one - fy) + x[:, b] * fy
      return x[:, :, l] * (one - fx) + x[:, :, r] * fx

  def starts(size, window):
      if size <= window: return [0]
      stride = -(-2 * window // 3)
      return [min(k * stride, size - window) for k in range(-(-(size - window) // stride) + 1)]

  def place(size, window):
      inside = min(size, window)
      return (window - inside) // 2, inside

  def pieces(height, width):
      '''Where each window lies: in the view, and the part of the window that the view fills.'''
      if s["mode"] != "sliding": return
      (y, h), (x, w) = place(height, s["crop"][0]), place(width, s["crop"][1])
      for top in starts(height, s["crop"][0]):
          for left in starts(width, s["crop"][1]):
              yield np.s_[top:top + h, left:left + w], np.s_[y:y + h, x:x + w]

  def centre(x):
      if s["mode"] != "center_crop": return x
      h, w = min(s["crop"][0], x.shape[0]), min(s["crop"][1], x.shape[1])
      top, left = (x.shape[0] - h) // 2, (x.shape[1] - w) // 2
      return x[top:top + h, left:left + w]

  def scaled(x):
      '''The sizes of the views, and whether they are mirrored.'''
      for n, factor in enumerate(s["scales"]):
          # Python rounds halves to even.
          size = round(x.shape[0] * factor), round(x.shape[1] * factor)
          for mirrored in [False, True][:1 + s["flip"]]: yield f"{n}{'m' if mirrored else ''}", size, mirrored

  with h5py.File(images) as f, h5py.File(views if step == "views" else logits, "a" if step == "views" else "r") as v:
      matrix = np.zeros((s["classes"],) * 2, np.int64)
      for name in f["images"]:
          image = centre((f["images"][name][()].astype(f32) - f32(s["mean"])) / f32(s["std"]))
          total, count = 0, 0
          for key, (height, width), mirrored in scaled(image):
              key = f"{name}/{key}"
              if step == "views":
                  view = resize_image(image, height, width)
                  if mirrored: view = view[:, ::-1]
                  if s["mode"] != "sliding": v[f"{key}/0"] = view
                  for n, (within, filled) in enumerate(pieces(height, width)):
                      window = np.zeros(s["crop"] + [3], f32)
                      window[filled] = view[within]
                      v[f"{key}/{n}"] = window
                  continue
              if s["mode"] != "sliding":
                  view = resize_logits(v[f"{key}/0"][()].transpose(2, 0, 1), height, width)
              else:
                  view, windows = np.zeros((s["classes"], height, width), f32), np.zeros((height, width), f32)
                  for n, (within, filled) in enumerate(pieces(height, width)):
                      answer = resize_logits(v[f"{key}/{n}"][()].transpose(2, 0, 1), *s["crop"])
                      view[(slice(None),) + within] += answer[(slice(None),) + filled]
                      windows[within] += 1
                  view = view / windows
              if mirrored: view = view[:, :, ::-1]
              total, count = total + resize_logits(view, *image.shape[:2]), count + 1
          if step == "views": continue
          assert (total / f32(count)).dtype == f32
          predicted = (total / f32(count)).argmax(0)
          truth = centre(f["masks"][name][()]).astype(np.int64)
          seen = truth != 255
          np.add.at(matrix, (truth[seen], predicted[seen]), 1)
      if step == "views":
          for image in v.values():
              for view in image.values():
                  for window in view.values(): print(window.name[1:])
  if step == "counts":
      given = np.loadtxt(out, dtype=str, delimiter=",")[1:, 1:].astype(np.int64)
      assert (given == matrix).all(), f"{np.abs(given - matrix).sum()} counts of {matrix.sum()} differ: {given - matrix}"
      assert (matrix.sum(0) > 0).sum() > 2, f"too few classes are predicted to tell anything: {matrix.sum(0)}"
      print(matrix.sum())
  """
