using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), with global-norm clipping.</summary>
internal sealed class AdamW : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
    private readonly TrainingRecipe recipe;
    private readonly Tensor[] values;
    private readonly Tensor[] gradients;

    /// <param name="recipe">Decay and clipping.</param>
    /// <param name="values">Updated in place; not owned.</param>
    /// <param name="gradients">Read, then set to zero; not owned.</param>
    public AdamW(TrainingRecipe recipe, Tensor[] values, Tensor[] gradients)
    {
        (this.recipe, this.values, this.gradients) = (recipe, values, gradients);
        FirstMoments = [.. values.Select(tensor => zeros_like(tensor).DetachFromDisposeScope())];
        SecondMoments = [.. values.Select(tensor => zeros_like(tensor).DetachFromDisposeScope())];
    }

    public Tensor[] FirstMoments { get; }

    public Tensor[] SecondMoments { get; }

    /// <summary>Global L2 norm of the gradients.</summary>
    public double GradientNorm()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return stack(gradients.Select(gradient => gradient.norm())).norm().to(ScalarType.Float64).item<double>();
    }

    /// <summary>Updates the values and clears the gradients.</summary>
    /// <param name="step">The step's number, counted from 1.</param>
    /// <param name="rate">The learning rate.</param>
    /// <param name="norm">From <see cref="GradientNorm"/>; finite.</param>
    public void Step(int step, double rate, double norm)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        double clip = norm > recipe.MaxGradientNorm ? recipe.MaxGradientNorm / norm : 1;
        double correction1 = 1 - Math.Pow(Beta1, step), correction2 = 1 - Math.Pow(Beta2, step);
        for (int i = 0; i < values.Length; i++)
        {
            Tensor gradient = gradients[i];
            if (clip < 1)
                gradient.mul_(clip);
            FirstMoments[i].mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
            SecondMoments[i].mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
            Tensor denominator = SecondMoments[i].sqrt().div_(Math.Sqrt(correction2)).add_(Epsilon);
            values[i].mul_(1 - (rate * recipe.WeightDecay));
            values[i].addcdiv_(FirstMoments[i], denominator, -rate / correction1);
            gradient.zero_();
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in (Tensor[])[.. FirstMoments, .. SecondMoments])
            tensor.Dispose();
    }
}
