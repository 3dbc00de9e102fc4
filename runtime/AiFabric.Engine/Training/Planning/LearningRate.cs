namespace AiFabric.Engine.Training.Planning;

/// <summary>How the learning rate goes on after warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls in a line, to 0 after the last step.</summary>
    Linear,

    /// <summary>It falls along half a cosine, to 0 after the last step.</summary>
    Cosine,
}

/// <summary>The learning rate of each step.</summary>
internal static class LearningRate
{
    /// <param name="recipe">Peak, warm-up and schedule.</param>
    /// <param name="step">Counted from 1.</param>
    /// <param name="totalSteps">Steps of the whole job.</param>
    public static double At(TrainingRecipe recipe, int step, int totalSteps)
    {
        if (step < recipe.WarmupSteps)
            return recipe.LearningRate * step / recipe.WarmupSteps;
        // The first step after warm-up runs at the peak.
        int first = Math.Max(recipe.WarmupSteps, 1);
        double done = totalSteps < first ? 0 : (double)(step - first) / (totalSteps - first + 1);
        return recipe.LearningRate * recipe.Schedule switch
        {
            LearningRateSchedule.Linear => 1 - done,
            LearningRateSchedule.Cosine => (1 + Math.Cos(Math.PI * done)) / 2,
            _ => 1,
        };
    }
}
