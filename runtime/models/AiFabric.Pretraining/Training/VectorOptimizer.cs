using static TorchSharp.torch;

namespace AiFabric.Pretraining.Training;

/// <summary>AdamW without weight decay, for the embedding and the norms.</summary>
internal sealed class VectorOptimizer : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-10;
    private readonly List<(Tensor Parameter, Tensor First, Tensor Second)> slots;

    public VectorOptimizer(IEnumerable<Tensor> parameters) =>
        slots = [.. parameters.Select(p => (p, zeros(p.shape), zeros(p.shape)))];

    /// <summary>The moments, for checkpoints.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => slots.SelectMany(
        (s, i) => new[] { KeyValuePair.Create($"adam.{i}.first", s.First), KeyValuePair.Create($"adam.{i}.second", s.Second) });

    /// <summary>Takes one step and clears the gradients.</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="step">The step's number, from 1.</param>
    public void Step(double rate, int step)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        foreach (var (parameter, first, second) in slots)
        {
            var gradient = parameter.grad!; // Backward has filled every gradient.
            first.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
            second.mul_(Beta2).addcmul_(gradient, gradient, value: 1 - Beta2);
            var deviation = (second / (1 - Math.Pow(Beta2, step))).sqrt_().add_(Epsilon);
            parameter.addcdiv_(first, deviation, value: -rate / (1 - Math.Pow(Beta1, step)));
            gradient.zero_();
        }
    }

    public void Dispose() => slots.ForEach(s => { s.First.Dispose(); s.Second.Dispose(); });
}
