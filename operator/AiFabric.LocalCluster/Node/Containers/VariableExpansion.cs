using System.Text;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>Kubernetes' <c>$(NAME)</c> in commands, arguments and environment values; <c>$$</c> is a dollar, an unknown name stays as it is.</summary>
internal static class VariableExpansion
{
    public static string Expand(string text, IReadOnlyDictionary<string, string> variables)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length)
            {
                result.Append(text[i]);
            }
            else if (text[i + 1] == '$')
            {
                result.Append('$');
                i++;
            }
            else if (text[i + 1] == '(' && text.IndexOf(')', i) is var end and > 0)
            {
                string name = text[(i + 2)..end];
                result.Append(variables.TryGetValue(name, out string? value) ? value : $"$({name})");
                i = end;
            }
            else
            {
                result.Append('$');
            }
        }

        return result.ToString();
    }
}
