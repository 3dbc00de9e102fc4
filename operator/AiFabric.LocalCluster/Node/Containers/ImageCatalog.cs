using k8s.Models;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>Which command line stands for an image: a process node has no images, only programs of this machine.</summary>
internal static class ImageCatalog
{
    /// <summary>A command of <c>--image PREFIX=COMMAND</c> as words. The path of a program is one word, whatever blanks are in it.</summary>
    public static IReadOnlyList<string> Words(string command) =>
        File.Exists(command) ? [command] : command.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The command with its arguments, variables not yet expanded; null when neither the pod nor the options name a program.</summary>
    public static IReadOnlyList<string>? CommandLine(V1Container container, IDictionary<string, IReadOnlyList<string>> images)
    {
        IEnumerable<string> args = container.Args ?? [];
        return container.Command is { Count: > 0 } command
            ? [.. command, .. args]
            : Find(container.Image, images) is { } entrypoint ? [.. entrypoint, .. args] : null;
    }

    public static string Unknown(string? image) =>
        $"no program is configured for image \"{image}\": start the local cluster with --image {image}=/path/to/program, or give the container a command";

    private static IReadOnlyList<string>? Find(string? image, IDictionary<string, IReadOnlyList<string>> images) =>
        image is null ? null : images.Where(i => Matches(image, i.Key)).OrderByDescending(i => i.Key.Length).Select(i => i.Value).FirstOrDefault();

    // A prefix must end where a part of the name ends: "worker" is no prefix of "worker2:1".
    private static bool Matches(string image, string key) =>
        image.StartsWith(key, StringComparison.Ordinal) && (image.Length == key.Length || key.EndsWith('/') || image[key.Length] is ':' or '@' or '/');
}
