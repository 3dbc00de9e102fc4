using static TorchSharp.torch;

namespace AiFabric.Pretraining.Training;

/// <summary>Muon: momentum whose matrix is replaced by the nearest orthogonal one, so that every direction learns at the same rate.</summary>
/// <remarks>
/// Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024 (Nesterov momentum 0.95, five quintic
/// Newton–Schulz steps). Matrices of one shape are handled in one batched matmul.
/// </remarks>
internal sealed class MatrixOptimizer : IDisposable
{
    private const double Momentum = 0.95;
    private readonly List<(List<Tensor> Matrices, bool Transposed, Tensor Velocity)> groups = [];

    public MatrixOptimizer(IEnumerable<Tensor> matrices)
    {
        foreach (var group in matrices.GroupBy(m => (Short: m.shape.Min(), Long: m.shape.Max(), Tall: m.shape[0] > m.shape[1])))
            groups.Add(([.. group], group.Key.Tall, zeros(group.Count(), group.Key.Short, group.Key.Long)));
    }

    /// <summary>The momentum buffers, for checkpoints.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => groups.Select((g, i) => KeyValuePair.Create($"muon.{i}", g.Velocity));

    /// <summary>Takes one step down the gradients and clears them.</summary>
    public void Step(double rate)
    {
        using var noGradients = no_grad();
        foreach (var (matrices, transposed, velocity) in groups)
        {
            using var scope = NewDisposeScope();
            var gradients = stack(matrices.Select(m => transposed ? m.grad!.t() : m.grad!)); // Backward has filled every gradient.
            velocity.mul_(Momentum).add_(gradients);
            var update = Orthogonalize(gradients + (velocity * Momentum));
            long rows = matrices[0].shape[0], columns = matrices[0].shape[1];
            double scale = rate * Math.Sqrt(Math.Max(1, (double)rows / columns));
            for (int i = 0; i < matrices.Count; i++)
            {
                var one = update[i];
                matrices[i].add_(transposed ? one.t() : one, alpha: -scale);
                matrices[i].grad!.zero_();
            }
        }
    }

    public void Dispose() => groups.ForEach(g => g.Velocity.Dispose());

    // [count, short, long] float32 → the same shape, singular values near one.
    private static Tensor Orthogonalize(Tensor matrices)
    {
        using var scope = NewDisposeScope();
        var x = (matrices / (matrices.square().sum([-2, -1], keepdim: true).sqrt() + 1e-7)).to(ScalarType.BFloat16);
        for (int i = 0; i < 5; i++)
        {
            using var step = NewDisposeScope();
            var gram = x.matmul(x.transpose(-2, -1));
            var polynomial = (gram * -4.7750) + (gram.matmul(gram) * 2.0315);
            x = ((x * 3.4445) + polynomial.matmul(x)).MoveToOuterDisposeScope();
        }
        return x.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
