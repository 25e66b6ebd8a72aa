// The products of training: values kept before an activation, gradients through it, and gradients of weights.

#include "kernel_cases.h"

namespace rank_distillm {
namespace {

struct Shape {
  int64_t rows, in, out;
};

constexpr std::pair<Epilogue, Epilogue> activations[] = {{Epilogue::gelu, Epilogue::gelu_slope},
                                                         {Epilogue::gelu_tanh, Epilogue::gelu_tanh_slope},
                                                         {Epilogue::relu, Epilogue::relu_slope}};

/// A layer's numbers and what each of its products must give.
class LayerCase {
 public:
  LayerCase(ElementType type, const Shape& shape)
      : type_(type),
        shape_(shape),
        input_(random_matrix(shape.rows, shape.in, 22, type)),
        weight_(random_matrix(shape.out, shape.in, 23, type)),
        gradient_(random_matrix(shape.rows, shape.out, 24, type)),
        weights_(floats(weight_.values)),
        x_(shape.rows, shape.in, element_bytes(type)),
        g_(shape.rows, shape.out, element_bytes(type)) {
    write(input_, x_.rows(), type);
    write(gradient_, g_.rows(), type);
    const auto bias = random_vector(shape.out, 25);
    biases_ = floats(bias);
    linear_ = reference::linear(input_, weight_, bias, Epilogue::none);
    activated_ = linear_;
    for (auto& value : activated_.values) value = reference::activated(value, Epilogue::gelu);
    input_gradient_ = reference::product(gradient_, weight_);
    auto activated_input = input_;
    for (auto& value : activated_input.values) value = rounded(reference::activated(value, Epilogue::gelu), type);
    started_ = random_matrix(shape.out, shape.in, 26);
    weight_gradient_ = reference::product(reference::transposed(gradient_), activated_input);
    for (size_t i = 0; i < started_.values.size(); ++i) weight_gradient_.values[i] += started_.values[i];
  }

  void run(const Kernels& level) const {
    test_forward(level);
    test_input_gradient(level);
    test_weight_gradient(level);
  }

 private:
  std::string title(const char* product) const {
    return std::string("training ") + name_of(type_) + ", " + std::to_string(shape_.rows) + " rows, " +
           std::to_string(shape_.in) + " -> " + std::to_string(shape_.out) + ": " + product;
  }
  double bound() const { return type_ == ElementType::bfloat16 ? 0.0045 : 1e-5; }
  int64_t group() const { return 4 / element_bytes(type_); }

  static AlignedBuffer panels_of(const Kernels& level, int64_t columns, int64_t steps) {
    AlignedBuffer panels(panel_bytes(level, columns, steps));
    std::memset(panels.data(), 0xff, panels.size());
    return panels;
  }

  void test_forward(const Kernels& level) const {
    const auto& [rows, in, out] = shape_;
    const Storage before(rows, out, element_bytes(type_)), after(rows, out, element_bytes(type_));
    uint64_t ticks = 0;
    const PackedWeights packed(level, type_, weights_.data(), biases_.data(), out, in, loop);
    level.product_of(type_)(
        {rows, x_.rows(), nullptr, packed.view(), Epilogue::gelu, after.rows(), type_, &ticks, before.rows()});
    const double scale = std::sqrt(static_cast<double>(in));
    report(level, title("kept before the activation"), read(before.rows(), rows, out, type_), linear_, bound(), scale);
    report(level, title("activation"), read(after.rows(), rows, out, type_), activated_, bound(), scale);
  }

  /// Weights packed from their own rows are transposed ones.
  void test_input_gradient(const Kernels& level) const {
    const auto& [rows, in, out] = shape_;
    const int64_t steps = panel_steps(level, out, type_);
    const auto panels = panels_of(level, in, steps);
    const Rows weight_rows = {reinterpret_cast<char*>(const_cast<float*>(weights_.data())), 4 * in};
    level.pack_rows({out, in, weight_rows, ElementType::float32, Epilogue::none, type_, panels.data(), steps, 0,
                     steps * group() - out});
    uint64_t ticks = 0;
    for (const auto& [activation, slope] : activations) {
      const Storage result(rows, in, element_bytes(type_));
      level.product_of(type_)(
          {rows, g_.rows(), nullptr, {panels.data(), out, in, steps}, slope, result.rows(), type_, &ticks, x_.rows()});
      auto expected = input_gradient_;
      for (size_t i = 0; i < expected.values.size(); ++i) {
        expected.values[i] *= reference::slope(input_.values[i], activation);
      }
      report(level, title("gradient through activation ") + std::to_string(static_cast<int>(activation)),
             read(result.rows(), rows, in, type_), expected, bound(), std::sqrt(static_cast<double>(out)));
    }
  }

  /// Rows become steps, in two parts, of which the first ends before a whole group.
  void test_weight_gradient(const Kernels& level) const {
    const auto& [rows, in, out] = shape_;
    const int64_t first = std::min<int64_t>(rows, rows / 2 | 1), second = (first + 1) / 2 * 2;
    const int64_t steps = panel_steps(level, second + rows - first, type_);
    const auto panels = panels_of(level, in, steps);
    const Storage transposed(out, steps * group(), element_bytes(type_));
    const auto place = [&](int64_t from, int64_t count, int64_t to, int64_t zeros) {
      level.transpose({count, out, {g_.rows().row(from), g_.rows().stride}, type_, transposed.rows(), to, zeros});
      level.pack_rows({count,
                       in,
                       {x_.rows().row(from), x_.rows().stride},
                       type_,
                       Epilogue::gelu,
                       type_,
                       panels.data(),
                       steps,
                       to,
                       zeros});
    };
    place(0, first, 0, second - first);
    place(first, rows - first, second, steps * group() - second - (rows - first));
    auto sums = floats(started_.values);  // without slack
    uint64_t ticks = 0;
    level.product_of(type_)({out,
                             transposed.rows(),
                             nullptr,
                             {panels.data(), steps * group(), in, steps},
                             Epilogue::add,
                             {reinterpret_cast<char*>(sums.data()), 4 * in},
                             ElementType::float32,
                             &ticks});
    Matrix found(out, in);
    std::copy(sums.begin(), sums.end(), found.values.begin());
    // An activation at the edge of two bf16 numbers may be rounded to the other one.
    report(level, title("gradient of the weights"), found, weight_gradient_,
           type_ == ElementType::bfloat16 ? 0.001 : 1e-5, std::sqrt(static_cast<double>(rows)));
  }

  ElementType type_;
  Shape shape_;
  Matrix input_, weight_, gradient_, started_;
  std::vector<float> weights_, biases_;
  Storage x_, g_;
  Matrix linear_, activated_, input_gradient_, weight_gradient_;
};

}  // namespace

void test_training_products(const Levels& levels, bool small) {
  for (const auto type : {ElementType::float32, ElementType::bfloat16}) {
    for (const auto& shape : {Shape{1, 26, 31}, Shape{37, 64, 26}, Shape{66, 39, 100}, Shape{200, 312, 384}}) {
      if (small && shape.rows == 200) continue;
      const LayerCase layer(type, shape);
      for (const auto* level : levels) layer.run(*level);
    }
  }
}

}  // namespace rank_distillm
