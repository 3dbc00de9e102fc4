namespace AiFabric.Engine.Adapters;

/// <summary>The linear layers of a Llama block that can carry a LoRA pair.</summary>
public enum LoraTarget
{
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

/// <summary>Names of the targets as PEFT and Hugging Face write them.</summary>
public static class LoraTargets
{
    /// <summary>All seven, in the order in which checkpoints and optimizers hold them.</summary>
    public static IReadOnlyList<LoraTarget> All { get; } = Enum.GetValues<LoraTarget>();

    /// <summary>The module's name in <c>target_modules</c>, such as <c>q_proj</c>.</summary>
    public static string ModuleName(this LoraTarget target) => target switch
    {
        LoraTarget.Query => "q_proj",
        LoraTarget.Key => "k_proj",
        LoraTarget.Value => "v_proj",
        LoraTarget.Output => "o_proj",
        LoraTarget.Gate => "gate_proj",
        LoraTarget.Up => "up_proj",
        LoraTarget.Down => "down_proj",
        _ => throw new ArgumentOutOfRangeException(nameof(target), target, null),
    };

    /// <summary>The module's path inside its layer, such as <c>self_attn.q_proj</c>.</summary>
    public static string ModulePath(this LoraTarget target) =>
        (target <= LoraTarget.Output ? "self_attn." : "mlp.") + target.ModuleName();

    /// <summary>Reads a name such as <c>q_proj</c>; a path such as <c>model.layers.3.self_attn.q_proj</c> is not one.</summary>
    public static bool TryParse(string moduleName, out LoraTarget target)
    {
        foreach (LoraTarget candidate in All)
        {
            if (candidate.ModuleName() == moduleName)
            {
                target = candidate;
                return true;
            }
        }

        target = default;
        return false;
    }
}
